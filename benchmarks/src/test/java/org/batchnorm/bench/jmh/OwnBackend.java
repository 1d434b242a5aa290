package org.batchnorm.bench.jmh;

import java.util.List;
import java.util.Map;
import org.batchnorm.BatchNormFunction;
import org.batchnorm.Parameters;
import org.batchnorm.bench.peers.Peer;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.data.Batch;

/** Our scalar backend as a peer of at most two threads; one of its variants is wrong in one value. */
public final class OwnBackend implements Peer {
    static final String RIGHT = "right";
    static final String WRONG = "wrong";
    static final int MOST_THREADS = 2;

    @Override
    public String name() {
        return "own";
    }

    @Override
    public Started start(int threads) {
        System.out.println("a library's message");
        return new Started(
                "1, OMP_NUM_THREADS " + System.getenv("OMP_NUM_THREADS"), Math.min(threads, MOST_THREADS), "");
    }

    @Override
    public List<String> variants(Operation operation, BenchShape shape) {
        return List.of(RIGHT, WRONG);
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
                if (variant.equals(WRONG)) {
                    y[0] += 0.5f;
                }
            }

            @Override
            public Map<String, float[]> results() {
                return Map.of(Expected.Y, y);
            }

            @Override
            public void close() {
                function.close();
            }
        };
    }
}
