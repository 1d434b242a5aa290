package org.batchnorm;

/** The contract on the backend {@code scalar}. */
class ScalarBackendTest extends BatchNormContractTest {
    @Override
    protected String backend() {
        return "scalar";
    }
}
