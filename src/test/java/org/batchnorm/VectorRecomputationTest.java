package org.batchnorm;

/** In-place training on the backend {@code vector}. */
class VectorRecomputationTest extends RecomputationContractTest {
    @Override
    protected String backend() {
        return "vector";
    }
}
