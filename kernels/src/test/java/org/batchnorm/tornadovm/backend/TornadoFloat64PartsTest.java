package org.batchnorm.tornadovm.backend;

import org.batchnorm.float64.Float64PartsContractTest;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.BatchNormOperations;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/** Parts of batches of FLOAT64 on the backend {@code tornadovm}, forced, whatever the device. */
class TornadoFloat64PartsTest extends Float64PartsContractTest {
    private BatchNormOperations keptOpen;

    /** Open from the first test to the last, so that what one layer had compiled serves the next. */
    @BeforeAll
    void open() {
        keptOpen = new TornadoBackend().open(BackendOptions.fromSystemProperties());
    }

    @AfterAll
    void close() {
        keptOpen.close();
    }

    @Override
    protected String backend() {
        return TornadoBackend.NAME;
    }
}
