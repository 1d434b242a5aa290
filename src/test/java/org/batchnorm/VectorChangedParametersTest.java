package org.batchnorm;

/** Parameters that change between forward and backward, on the backend {@code vector}. */
class VectorChangedParametersTest extends ChangedParametersContractTest {
    @Override
    protected String backend() {
        return "vector";
    }
}
