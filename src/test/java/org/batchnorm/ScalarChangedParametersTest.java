package org.batchnorm;

/** Parameters that change between forward and backward, on the backend {@code scalar}. */
class ScalarChangedParametersTest extends ChangedParametersContractTest {
    @Override
    protected String backend() {
        return "scalar";
    }
}
