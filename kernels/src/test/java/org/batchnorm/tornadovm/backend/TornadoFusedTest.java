package org.batchnorm.tornadovm.backend;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.Stream;
import org.batchnorm.BatchNorm;
import org.batchnorm.FusedContractTest;
import org.batchnorm.Values;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activation;
import org.junit.jupiter.api.Test;
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

    /** With variances of which rstd in float32 and in float64 give scales of other bits. */
    @Test
    void aResidualWithGivenStatisticsGivesTheBitsOfSeparatePasses() {
        BatchShape shape = BatchShape.of(64, 33);
        Values batch = Values.random(shape, 5);
        float[] residual = Values.random(shape, 6).x();
        float[] fused = new float[residual.length];
        float[] apart = new float[residual.length];
        try (BatchNorm layer = layer(Activation.relu());
                BatchNorm plain = layer(Activation.NONE)) {
            layer.forward(Batch.of(batch.x(), shape), Batch.of(residual, shape), Batch.of(fused, shape));
            plain.forward(batch.x(), apart, shape);
        }
        for (int i = 0; i < apart.length; i++) {
            apart[i] = Activation.relu().of(apart[i] + residual[i]);
        }
        assertThat(fused).isEqualTo(apart);
    }

    private static BatchNorm layer(Activation activation) {
        BatchNorm layer = BatchNorm.builder(33)
                .backend(TornadoBackend.NAME)
                .activation(activation)
                .build()
                .eval();
        for (int c = 0; c < 33; c++) {
            layer.weight()[c] = 1 + 0.37f * c;
            layer.runningVar()[c] = 1 + c % 5;
        }
        return layer;
    }
}
