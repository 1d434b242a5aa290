package org.batchnorm;

/** Ranks on the backend {@code scalar}. */
class ScalarSynchronizedTest extends SynchronizedContractTest {
    @Override
    protected String backend() {
        return "scalar";
    }
}
