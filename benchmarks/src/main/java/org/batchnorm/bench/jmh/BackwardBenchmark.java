package org.batchnorm.bench.jmh;

import java.util.HashMap;
import java.util.Map;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.data.Batch;
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
    private Batch normalized;
    private Batch y;
    private Batch dresidual;

    @Override
    protected Operation operation() {
        return Operation.BACKWARD;
    }

    @Override
    protected void prepare() {
        normalization = withOwnStatistics();
        sums = new GradientSums(batch.c());
        y = empty();
        dresidual = empty();
        normalized = passes.input(x);
        operations.forward(
                tensors.forward(normalized, y).withResidual(separate ? null : residual, null), normalization);
        passes.output(y);
    }

    @Override
    protected Map<String, float[]> otherResults() {
        Map<String, float[]> results = new HashMap<>();
        results.put(Expected.DGAMMA, rounded(sums.dgamma()));
        results.put(Expected.DBETA, rounded(sums.dbeta()));
        if (residual != null) {
            results.put(Expected.DRESIDUAL, floats(dresidual));
        }
        return results;
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
        if (residual != null && !separate) {
            operations.backward(tensors.backward(x, y, dy, output, dresidual), normalization, sums);
            return;
        }
        dresidual = passes.gradient(y, dy);
        operations.backward(tensors.backward(normalized, dresidual, output), normalization, sums);
        passes.inputGradient(x, output);
    }
}
