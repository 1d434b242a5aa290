package org.batchnorm;

/** Accumulated batches on the backend {@code vector}. */
class VectorAccumulatedTest extends AccumulatedContractTest {
    @Override
    protected String backend() {
        return "vector";
    }
}
