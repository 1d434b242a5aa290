package org.batchnorm.bench.jmh;

import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.spi.BatchStatistics;
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
public class ForwardBenchmark extends OperationBenchmark {
    private BatchStatistics statistics = new BatchStatistics(1);

    @Override
    protected Operation operation() {
        return Operation.FORWARD;
    }

    @Override
    protected void prepare() {
        statistics = new BatchStatistics(batch.c());
    }

    @Override
    @Benchmark
    public void run() {
        if (heap) {
            operations.forward(batch, in.x(), output, in.gamma(), in.beta(), Inputs.EPS, statistics);
        } else {
            operations.forward(batch, xSegment, outputSegment, in.gamma(), in.beta(), Inputs.EPS, statistics);
        }
    }
}
