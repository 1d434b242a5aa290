package org.batchnorm.tornadovm.backend;

import org.batchnorm.GhostContractTest;
import org.junit.jupiter.api.Tag;

/** Ghost batches on the backend {@code tornadovm}. */
@Tag("thorough")
class TornadoGhostTest extends GhostContractTest {
    @Override
    protected String backend() {
        return TornadoBackend.NAME;
    }
}
