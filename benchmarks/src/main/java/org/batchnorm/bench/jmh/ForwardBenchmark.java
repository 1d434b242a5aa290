package org.batchnorm.bench.jmh;

import org.batchnorm.bench.workload.Operation;
import org.batchnorm.data.Batch;
import org.batchnorm.spi.Normalization;
import org.openjdk.jmh.annotations.Benchmark;

/**
 * The training forward: statistics of the batch, then {@code y = gamma · (x − mean) · rstd + beta}.
 *
 * <p><b>Pitfall: a batch that stays in cache.</b> The second pass over x is free where the first one left it in cache:
 * GB/s are counted on the three <em>logical</em> passes and can exceed what memory delivers. Compare shapes of one size
 * only, or the ratio to a peer on the same shape.
 *
 * <p>Run: {@code batchnorm bench --operation forward}, or with JMH {@code ForwardBenchmark -p shape=1024x1024}.
 */
@SuppressWarnings("NullAway.Init") // JMH calls setUp() first
public class ForwardBenchmark extends OperationBenchmark {
    private Normalization normalization;

    @Override
    protected Operation operation() {
        return Operation.FORWARD;
    }

    @Override
    protected void prepare() {
        normalization = withOwnStatistics();
    }

    @Override
    @Benchmark
    public void run() {
        Batch normalized = passes.input(x);
        operations.forward(
                tensors.forward(normalized, output).withResidual(separate ? null : residual, null), normalization);
        passes.output(output);
    }
}
