package org.batchnorm.tornadovm.backend;

import org.batchnorm.ChangedParametersContractTest;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.BatchNormOperations;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/** Parameters that change between forward and backward, on the backend {@code tornadovm}. */
class TornadoChangedParametersTest extends ChangedParametersContractTest {
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

    @Override
    protected boolean takes(ElementType type) {
        return !type.is16Bit() || keptOpen.takes16Bit();
    }
}
