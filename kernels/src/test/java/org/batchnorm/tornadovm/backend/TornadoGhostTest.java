package org.batchnorm.tornadovm.backend;

import org.batchnorm.GhostContractTest;

/** Ghost batches on the backend {@code tornadovm}. */
class TornadoGhostTest extends GhostContractTest {
    @Override
    protected String backend() {
        return TornadoBackend.NAME;
    }
}
