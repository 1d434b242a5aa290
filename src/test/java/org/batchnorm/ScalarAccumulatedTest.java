package org.batchnorm;

/** Accumulated batches on the backend {@code scalar}. */
class ScalarAccumulatedTest extends AccumulatedContractTest {
    @Override
    protected String backend() {
        return "scalar";
    }
}
