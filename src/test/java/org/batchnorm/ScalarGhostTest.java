package org.batchnorm;

/** Ghost batches on the backend {@code scalar}. */
class ScalarGhostTest extends GhostContractTest {
    @Override
    protected String backend() {
        return "scalar";
    }
}
