package org.batchnorm.tornadovm.backend;

import java.util.List;
import java.util.stream.Stream;
import org.batchnorm.RecomputationContractTest;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.api.extension.RegisterExtension;

/** In-place training on the backend {@code tornadovm}, forced, whatever the device. */
class TornadoRecomputationTest extends RecomputationContractTest {
    @RegisterExtension
    static final KeptOpen DEVICE = new KeptOpen();

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
