package org.batchnorm;

/** Ranks on the backend {@code vector}. */
class VectorSynchronizedTest extends SynchronizedContractTest {
    @Override
    protected String backend() {
        return "vector";
    }
}
