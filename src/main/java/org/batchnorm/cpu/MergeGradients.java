package org.batchnorm.cpu;

import org.batchnorm.spi.BatchStatistics;

/**
 * From the blocks' sums of {@code dy} and of {@code dy · (x − mean)} to the gradients of the parameters,
 *
 * <pre>
 *   dbeta  = Σdy
 *   dgamma = rstd · (Σ dy · (x − mean) − meanLow · Σdy)
 * </pre>
 *
 * in double precision and a fixed order. {@link Coefficients#forInputGradient} goes on from the unrounded ones.
 */
final class MergeGradients {
    private MergeGradients() {}

    /**
     * Merges the features {@code from} to {@code to}.
     *
     * @param sum in, Σdy, (partials, C); out, in the first partial, dbeta in double precision
     * @param product in, Σ dy · (x − mean), (partials, C); out, in the first partial, dgamma in double precision
     * @param dgamma out, (C)
     * @param dbeta out, (C)
     */
    static void run(
            Blocks blocks,
            double[][] sum,
            double[][] product,
            BatchStatistics statistics,
            float[] dgamma,
            float[] dbeta,
            int from,
            int to) {
        double[] exactDbeta = MergeStatistics.addPartials(sum, blocks.partials(), from, to);
        double[] exactDgamma = MergeStatistics.addPartials(product, blocks.partials(), from, to);
        float[] meanLow = statistics.meanLow();
        float[] rstd = statistics.rstd();
        round(exactDbeta, dbeta, from, to);
        if (Coefficients.areFinite(dbeta, from, to)) {
            correct(exactDbeta, exactDgamma, meanLow, rstd, from, to);
        } else {
            for (int c = from; c < to; c++) {
                // A correction for rounding has nothing to correct in an infinity, and would make NaN of it.
                double correction = Double.isFinite(exactDbeta[c]) ? meanLow[c] * exactDbeta[c] : 0;
                exactDgamma[c] = (exactDgamma[c] - correction) * rstd[c];
            }
        }
        round(exactDgamma, dgamma, from, to);
    }

    // One simple loop for each step: so the compiler makes vector code of them.

    private static void round(double[] values, float[] rounded, int from, int to) {
        for (int c = from; c < to; c++) {
            rounded[c] = (float) values[c];
        }
    }

    private static void correct(double[] dbeta, double[] dgamma, float[] meanLow, float[] rstd, int from, int to) {
        for (int c = from; c < to; c++) {
            dgamma[c] = (dgamma[c] - meanLow[c] * dbeta[c]) * rstd[c];
        }
    }
}
