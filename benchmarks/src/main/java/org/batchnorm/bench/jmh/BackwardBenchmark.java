package org.batchnorm.bench.jmh;

import java.util.Map;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.spi.BatchStatistics;
import org.openjdk.jmh.annotations.Benchmark;

/**
 * The backward through the batch's statistics: {@code dbeta}, {@code dgamma}, then {@code dx}.
 *
 * <p><b>Pitfall: a forward in the loop.</b> The backward needs the statistics of a forward. That forward runs once,
 * before the measurement; the backward only reads what it left, so the same backward can be repeated.
 *
 * <p>Run: {@code batchnorm bench --operation backward}, or with JMH {@code BackwardBenchmark -p shape=1024x1024}.
 */
public class BackwardBenchmark extends OperationBenchmark {
    private BatchStatistics statistics = new BatchStatistics(1);
    private float[] dgamma = new float[0];
    private float[] dbeta = new float[0];

    @Override
    protected Operation operation() {
        return Operation.BACKWARD;
    }

    @Override
    protected void prepare() {
        statistics = new BatchStatistics(batch.c());
        dgamma = new float[batch.c()];
        dbeta = new float[batch.c()];
        if (heap) {
            operations.collectStatistics(batch, in.x(), Inputs.EPS, statistics);
        } else {
            operations.collectStatistics(batch, xSegment, Inputs.EPS, statistics);
        }
    }

    @Override
    protected Map<String, float[]> parameterGradients() {
        return Map.of(Expected.DGAMMA, dgamma, Expected.DBETA, dbeta);
    }

    @Override
    @Benchmark
    public void run() {
        if (heap) {
            operations.backward(batch, in.x(), in.dy(), output, in.gamma(), statistics, true, dgamma, dbeta);
        } else {
            operations.backward(batch, xSegment, dySegment, outputSegment, in.gamma(), statistics, true, dgamma, dbeta);
        }
    }
}
