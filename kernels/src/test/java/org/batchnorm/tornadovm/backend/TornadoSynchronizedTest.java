package org.batchnorm.tornadovm.backend;

import org.batchnorm.SynchronizedContractTest;

/** Ranks on the backend {@code tornadovm}: each has its own plans on the device, and they meet on the host. */
class TornadoSynchronizedTest extends SynchronizedContractTest {
    @Override
    protected String backend() {
        return "tornadovm";
    }
}
