package org.batchnorm.bench.peers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.batchnorm.BatchNormFunction;
import org.batchnorm.Parameters;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;
import org.batchnorm.data.Batch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PeerServerTest {
    private static final PeerMessages.Request REQUEST =
            new PeerMessages.Request(Operation.INFERENCE, BenchShape.of(8, 4), new Samples.Plan(1, 1, 3));

    @Test
    void aCorrectPeerIsTimed() {
        List<PeerMeasurement> measured = new PeerServer(new OwnBackend(0)).measure(REQUEST);
        assertThat(measured).singleElement().satisfies(measurement -> {
            assertThat(measurement.measured()).isTrue();
            assertThat(measurement.nanoseconds())
                    .hasSize(3)
                    .allSatisfy(time -> assertThat(time).isPositive());
            assertThat(measurement.detail()).isEqualTo("scalar loops");
        });
    }

    @Test
    void aWrongPeerIsNotTimed() {
        List<PeerMeasurement> measured = new PeerServer(new OwnBackend(0.5f)).measure(REQUEST);
        assertThat(measured).singleElement().satisfies(measurement -> {
            assertThat(measurement.measured()).isFalse();
            assertThat(measurement.nanoseconds()).isEmpty();
            assertThat(measurement.failure()).contains("own once is wrong on inference 8x4", "not timed");
        });
    }

    @Test
    void aPeerThatIsNotBuiltSaysHowToBuildIt(@TempDir Path folder) {
        assertThatThrownBy(() -> PeerProcess.start(folder, "onednn", 1, folder.resolve("log")))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("peer onednn is not built")
                .hasMessageContaining("mvn -Ppeers package");
    }

    /** Our scalar backend as a peer, wrong by {@code error} in one value. */
    private record OwnBackend(float error) implements Peer {

        @Override
        public String name() {
            return "own";
        }

        @Override
        public Started start(int threads) {
            return new Started("1", threads, "");
        }

        @Override
        public List<String> variants(Operation operation, BenchShape shape) {
            return List.of("once");
        }

        @Override
        public Variant prepare(String variant, Operation operation, BenchShape shape, Inputs in) {
            float[] y = new float[shape.elements()];
            BatchNormFunction function = BatchNormFunction.builder(shape.c())
                    .eps(Inputs.EPS)
                    .backend("scalar")
                    .build();
            return new Variant() {
                @Override
                public String detail() {
                    return "scalar loops";
                }

                @Override
                public void run() {
                    function.inference(
                            Batch.of(in.x(), shape.batchShape()),
                            Batch.of(y, shape.batchShape()),
                            Parameters.of(in.gamma(), in.beta()),
                            in.runningMean(),
                            in.runningVar());
                    y[0] += error;
                }

                @Override
                public Map<String, float[]> results() {
                    return new HashMap<>(Map.of(Expected.Y, y));
                }

                @Override
                public void close() {
                    function.close();
                }
            };
        }
    }
}
