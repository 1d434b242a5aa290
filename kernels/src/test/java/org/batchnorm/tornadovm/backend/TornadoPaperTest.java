package org.batchnorm.tornadovm.backend;

import org.batchnorm.PaperContractTest;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.BatchNormOperations;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;

/** What the paper says, on the backend {@code tornadovm}. */
@Tag("thorough")
class TornadoPaperTest extends PaperContractTest {
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
