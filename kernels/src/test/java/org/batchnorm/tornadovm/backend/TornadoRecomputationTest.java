package org.batchnorm.tornadovm.backend;

import java.util.List;
import java.util.stream.Stream;
import org.batchnorm.RecomputationContractTest;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.BatchNormOperations;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/** In-place training on the backend {@code tornadovm}, forced, whatever the device. */
class TornadoRecomputationTest extends RecomputationContractTest {
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

    /** Of two kinds of grids, with an activation and without: each of them costs compilations. */
    @Override
    protected Stream<Given> cases() {
        return cases(List.of(BatchShape.of(61, 200), BatchShape.channelsFirst(5, 7, 13)), 1);
    }

    /** Of the other kinds, each with one of the activations. */
    @Override
    protected Stream<Given> everyCase() {
        return cases(
                List.of(
                        BatchShape.of(2, 3),
                        BatchShape.channelsLast(9, 20, 109),
                        BatchShape.channelsFirst(11, 3, 2491),
                        BatchShape.of(5000, 7)),
                1);
    }
}
