package org.batchnorm.bench.jmh;

import java.util.Map;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Normalization;
import org.openjdk.jmh.annotations.Benchmark;

/**
 * The backward through the batch's statistics: {@code dbeta}, {@code dgamma}, then {@code dx}.
 *
 * <p><b>Pitfall: a forward in the loop.</b> The backward needs the statistics of a forward. That forward runs once,
 * before the measurement; the backward only reads what it left, so the same backward can be repeated.
 *
 * <p>Run: {@code batchnorm bench --operation backward}, or with JMH {@code BackwardBenchmark -p shape=1024x1024}.
 */
@SuppressWarnings("NullAway.Init") // JMH calls setUp() first
public class BackwardBenchmark extends OperationBenchmark {
    private Normalization normalization;
    private GradientSums sums;

    @Override
    protected Operation operation() {
        return Operation.BACKWARD;
    }

    @Override
    protected void prepare() {
        BatchStatistics statistics = new BatchStatistics(batch.c());
        normalization = new Normalization(in.gamma(), in.beta(), Inputs.EPS, statistics, true);
        sums = new GradientSums(batch.c());
        operations.forward(tensors.forward(x, output), normalization);
    }

    @Override
    protected Map<String, float[]> parameterGradients() {
        return Map.of(Expected.DGAMMA, rounded(sums.dgamma()), Expected.DBETA, rounded(sums.dbeta()));
    }

    private static float[] rounded(double[] values) {
        float[] rounded = new float[values.length];
        for (int c = 0; c < rounded.length; c++) {
            rounded[c] = (float) values[c];
        }
        return rounded;
    }

    @Override
    @Benchmark
    public void run() {
        operations.backward(tensors.backward(x, dy, output), normalization, sums);
    }
}
