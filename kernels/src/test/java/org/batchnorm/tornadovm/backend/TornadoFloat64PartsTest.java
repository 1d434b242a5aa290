package org.batchnorm.tornadovm.backend;

import org.batchnorm.float64.Float64PartsContractTest;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Parts of batches of FLOAT64 on the backend {@code tornadovm}, forced, whatever the device. */
class TornadoFloat64PartsTest extends Float64PartsContractTest {
    @RegisterExtension
    static final KeptOpen DEVICE = new KeptOpen();

    @Override
    protected String backend() {
        return TornadoBackend.NAME;
    }
}
