package org.batchnorm.tornadovm.backend;

import java.util.List;
import java.util.stream.Stream;
import org.batchnorm.FusedContractTest;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activation;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Activations and residuals on the backend {@code tornadovm}, forced, whatever the device. */
class TornadoFusedTest extends FusedContractTest {
    @RegisterExtension
    static final KeptOpen DEVICE = new KeptOpen();

    @Override
    protected String backend() {
        return TornadoBackend.NAME;
    }

    /** Of one kind of grid, and two activations at each place: each of them costs compilations. */
    @Override
    protected Stream<Given> pairs() {
        return combinations(
                2,
                List.of(BatchShape.of(64, 33)),
                List.of(Activation.NONE, Activation.leakyRelu(0.1)),
                List.of(Activation.relu(), Activation.leakyRelu(0.2)));
    }

    /** Of the other kinds, with all activations. */
    @Override
    protected Stream<Given> thorough() {
        return combinations(
                2,
                List.of(
                        BatchShape.of(3000, 20),
                        BatchShape.channelsFirst(5, 7, 13),
                        BatchShape.channelsFirst(4, 3, 31, 33),
                        BatchShape.channelsLast(5, 7, 13)),
                BEFORE,
                AFTER);
    }
}
