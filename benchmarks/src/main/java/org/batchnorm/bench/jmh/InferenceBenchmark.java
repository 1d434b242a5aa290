package org.batchnorm.bench.jmh;

import org.batchnorm.bench.workload.Operation;
import org.batchnorm.data.Batch;
import org.batchnorm.spi.Normalization;
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
@SuppressWarnings("NullAway.Init") // JMH calls setUp() first
public class InferenceBenchmark extends OperationBenchmark {
    private Normalization normalization;

    @Override
    protected Operation operation() {
        return Operation.INFERENCE;
    }

    @Override
    protected void prepare() {
        normalization = withRunningStatistics();
    }

    @Override
    @Benchmark
    public void run() {
        Batch normalized = passes.input(x);
        operations.transform(
                tensors.forward(normalized, output).withResidual(separate ? null : residual, null), normalization);
        passes.output(output);
    }
}
