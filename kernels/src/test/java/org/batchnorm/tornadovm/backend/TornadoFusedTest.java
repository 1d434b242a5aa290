package org.batchnorm.tornadovm.backend;

import java.util.stream.Stream;
import org.batchnorm.FusedContractTest;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.BatchNormOperations;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/** Activations and residuals on the backend {@code tornadovm}, forced, whatever the device. */
class TornadoFusedTest extends FusedContractTest {
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
    protected Stream<BatchShape> shapes() {
        return Stream.of(BatchShape.of(64, 33));
    }
}
