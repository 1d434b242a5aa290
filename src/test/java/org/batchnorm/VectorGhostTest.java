package org.batchnorm;

/** Ghost batches on the backend {@code vector}. */
class VectorGhostTest extends GhostContractTest {
    @Override
    protected String backend() {
        return "vector";
    }
}
