package org.batchnorm.cpu;

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
     * @param sum in, Σdy, (partials, C)
     * @param product in, Σ dy · (x − mean), (partials, C)
     * @param throughStatistics whether dx has the terms that flow through mean and variance
     * @param dgamma out, (C)
     * @param dbeta out, (C)
     * @param coefficients out, of the C features
     */
    static void run(
            Blocks blocks,
            double[] sum,
            double[] product,
            float @Nullable [] gamma,
            BatchStatistics statistics,
            boolean throughStatistics,
            float[] dgamma,
            float[] dbeta,
            Coefficients coefficients) {
        int features = blocks.features;
        MergeStatistics.addPartials(sum, blocks.partials(), features);
        MergeStatistics.addPartials(product, blocks.partials(), features);
        double m = blocks.shape.valuesPerFeature();
        float[] mean = statistics.mean();
        float[] meanLow = statistics.meanLow();
        float[] rstd = statistics.rstd();
        for (int c = 0; c < features; c++) {
            double gradient = (product[c] - ifFinite(meanLow[c] * sum[c])) * rstd[c];
            dbeta[c] = (float) sum[c];
            dgamma[c] = (float) gradient;
            double scale = (gamma == null ? 1.0 : gamma[c]) * rstd[c];
            coefficients.scale[c] = (float) scale;
            if (throughStatistics) {
                double dyMean = sum[c] / m;
                float dyCentre = (float) dyMean;
                double slope = -rstd[c] * gradient / m;
                coefficients.centre[c] = mean[c];
                coefficients.dyCentre[c] = dyCentre;
                coefficients.slope[c] = (float) slope;
                coefficients.offset[c] = (float) ifFinite(dyCentre - dyMean - slope * meanLow[c]);
            } else {
                coefficients.centre[c] = 0;
                coefficients.offset[c] = 0;
            }
        }
    }

    /** A correction for rounding, which has nothing to correct where an infinite sum makes it infinite or NaN, and would hide that infinity. */
    private static double ifFinite(double correction) {
        return Double.isFinite(correction) ? correction : 0;
    }
}
