package org.batchnorm.bench.jmh;

import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.openjdk.jmh.annotations.Benchmark;

/**
 * The inference with running statistics: one pass, {@code y = gamma · (x − mean) / sqrt(var + eps) + beta}.
 *
 * <p><b>Pitfall: the store that reads.</b> A plain store first fetches the line that it overwrites, so this moves three
 * tensors through memory where the logical count is two; array copy avoids that with non-temporal stores from a few
 * megabytes on. The floor for one read and one plain write is 1.5 copies.
 *
 * <p>Run: {@code batchnorm bench --operation inference}, or with JMH {@code InferenceBenchmark -p shape=1024x1024}.
 */
public class InferenceBenchmark extends OperationBenchmark {

    @Override
    protected Operation operation() {
        return Operation.INFERENCE;
    }

    @Override
    @Benchmark
    public void run() {
        if (heap) {
            operations.inference(
                    batch, in.x(), output, in.gamma(), in.beta(), in.runningMean(), in.runningVar(), Inputs.EPS);
        } else {
            operations.inference(
                    batch,
                    xSegment,
                    outputSegment,
                    in.gamma(),
                    in.beta(),
                    in.runningMean(),
                    in.runningVar(),
                    Inputs.EPS);
        }
    }
}
