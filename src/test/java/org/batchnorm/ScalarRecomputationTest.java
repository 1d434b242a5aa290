package org.batchnorm;

/** In-place training on the backend {@code scalar}. */
class ScalarRecomputationTest extends RecomputationContractTest {
    @Override
    protected String backend() {
        return "scalar";
    }

    @Override
    protected int firstActivation() {
        return 2;
    }
}
