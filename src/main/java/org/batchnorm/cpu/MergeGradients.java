package org.batchnorm.cpu;

import java.util.Arrays;
import org.batchnorm.spi.BatchStatistics;
import org.jspecify.annotations.Nullable;

/**
 * From the blocks' sums of {@code dy} and of {@code dy · (x − mean)} to the gradients of the parameters,
 *
 * <pre>
 *   dbeta  = Σdy
 *   dgamma = rstd · (Σ dy · (x − mean) − meanLow · Σdy)
 * </pre>
 *
 * and to the coefficients of {@link InputGradient}, in double precision and a fixed order.
 */
final class MergeGradients {
    private MergeGradients() {}

    /**
     * Merges.
     *
     * @param sum in, Σdy, (partials, C); destroyed
     * @param product in, Σ dy · (x − mean), (partials, C); destroyed
     * @param throughStatistics whether dx has the terms that flow through mean and variance
     * @param dgamma out, (C)
     * @param dbeta out, (C)
     * @param coefficients out, of the C features
     */
    static void run(
            Blocks blocks,
            double[][] sum,
            double[][] product,
            float @Nullable [] gamma,
            BatchStatistics statistics,
            boolean throughStatistics,
            float[] dgamma,
            float[] dbeta,
            Coefficients coefficients) {
        int features = blocks.features;
        double[] dySum = MergeStatistics.addPartials(sum, blocks.partials(), features);
        double[] gradient = MergeStatistics.addPartials(product, blocks.partials(), features);
        float[] meanLow = statistics.meanLow();
        float[] rstd = statistics.rstd();
        double perValue = 1.0 / blocks.shape.valuesPerFeature();
        round(dySum, dbeta, features);
        slopes(dySum, gradient, meanLow, rstd, perValue, dgamma, coefficients.slope, features);
        coefficients.scale(gamma, rstd, features);
        if (throughStatistics) {
            System.arraycopy(statistics.mean(), 0, coefficients.centre, 0, features);
            offsets(dySum, perValue, meanLow, coefficients, features);
        } else {
            Arrays.fill(coefficients.centre, 0, features, 0);
            Arrays.fill(coefficients.offset, 0, features, 0);
        }
        if (!(largest(dbeta, features) < Float.POSITIVE_INFINITY)) {
            for (int c = 0; c < features; c++) {
                if (!Double.isFinite(dySum[c])) {
                    // A correction for rounding has nothing to correct here, and would make NaN of an infinity.
                    dgamma[c] = (float) (gradient[c] * rstd[c]);
                    coefficients.slope[c] = (float) (-perValue * rstd[c] * rstd[c] * gradient[c]);
                    coefficients.offset[c] = 0;
                }
            }
        }
    }

    // One simple loop for each step: so the compiler makes vector code of them.

    private static float largest(float[] values, int features) {
        float largest = 0;
        for (int c = 0; c < features; c++) {
            largest = Math.max(largest, Math.abs(values[c]));
        }
        return largest;
    }

    private static void round(double[] values, float[] rounded, int features) {
        for (int c = 0; c < features; c++) {
            rounded[c] = (float) values[c];
        }
    }

    private static void slopes(
            double[] dySum,
            double[] gradient,
            float[] meanLow,
            float[] rstd,
            double perValue,
            float[] dgamma,
            float[] slope,
            int features) {
        for (int c = 0; c < features; c++) {
            double factor = rstd[c];
            double exact = (gradient[c] - meanLow[c] * dySum[c]) * factor;
            dgamma[c] = (float) exact;
            slope[c] = (float) (exact * (factor * -perValue));
        }
    }

    private static void offsets(
            double[] dySum, double perValue, float[] meanLow, Coefficients coefficients, int features) {
        float[] dyCentre = coefficients.dyCentre;
        float[] slope = coefficients.slope;
        float[] offset = coefficients.offset;
        for (int c = 0; c < features; c++) {
            double dyMean = dySum[c] * perValue;
            float centre = (float) dyMean;
            dyCentre[c] = centre;
            offset[c] = (float) (centre - dyMean) - slope[c] * meanLow[c];
        }
    }
}
