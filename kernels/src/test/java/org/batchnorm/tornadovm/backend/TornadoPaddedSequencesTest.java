package org.batchnorm.tornadovm.backend;

import org.batchnorm.PaddedSequencesContractTest;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.BatchNormOperations;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/** Padded sequences on the backend {@code tornadovm}, forced, whatever the device. */
class TornadoPaddedSequencesTest extends PaddedSequencesContractTest {
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
