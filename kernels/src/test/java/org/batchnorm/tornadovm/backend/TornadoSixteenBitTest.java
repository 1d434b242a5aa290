package org.batchnorm.tornadovm.backend;

import static org.assertj.core.api.Assumptions.assumeThat;

import org.batchnorm.SixteenBitContractTest;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.BatchNormOperations;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/** 16-bit types on the backend {@code tornadovm}, where the device takes them. */
class TornadoSixteenBitTest extends SixteenBitContractTest {
    private BatchNormOperations keptOpen;

    /** Open from the first test to the last, so that what one layer had compiled serves the next. */
    @BeforeAll
    void open() {
        keptOpen = new TornadoBackend().open(BackendOptions.fromSystemProperties());
        assumeThat(keptOpen.takes16Bit()).isTrue();
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
