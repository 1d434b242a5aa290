package org.batchnorm;

/** The contract on the backend {@code vector}. */
class VectorBackendTest extends BatchNormContractTest {
    @Override
    protected String backend() {
        return "vector";
    }
}
