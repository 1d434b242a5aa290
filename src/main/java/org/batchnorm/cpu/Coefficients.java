package org.batchnorm.cpu;

import java.util.Arrays;
import org.batchnorm.spi.BatchStatistics;
import org.jspecify.annotations.Nullable;

/** What the elementwise kernels {@link Transform} and {@link InputGradient} need per column or per channel. The arrays grow as needed and are longer than what is in use. */
final class Coefficients {
    /** The mean of x, rounded to float32. */
    float[] centre = {};

    /** The mean of dy, rounded to float32. */
    float[] dyCentre = {};

    /** The factor of x, or of dy in the backward operation: gamma · rstd. */
    float[] scale = {};

    /** The factor of x in the backward operation: −rstd · dgamma / m. */
    float[] slope = {};

    /** What is added: beta, or 0, and what rounding took from the means. */
    float[] offset = {};

    /** Makes room for {@code columns} columns; the contents are lost where that needs new arrays. */
    void reserve(int columns) {
        if (centre.length < columns) {
            centre = new float[columns];
            dyCentre = new float[columns];
            scale = new float[columns];
            slope = new float[columns];
            offset = new float[columns];
        }
    }

    /** For {@link Transform} with the batch's statistics, of the features {@code from} to {@code to}. */
    void forTransform(float @Nullable [] gamma, float @Nullable [] beta, BatchStatistics statistics, int from, int to) {
        forTransform(gamma, beta, statistics.mean(), statistics.rstd(), from, to);
        subtractProduct(statistics.meanLow(), scale, offset, from, to);
    }

    /** For {@link Transform} with running statistics. */
    void forTransform(
            float @Nullable [] gamma,
            float @Nullable [] beta,
            float[] mean,
            float[] variance,
            double eps,
            int features) {
        float[] rstd = slope;
        Rstd.of(variance, eps, rstd, 0, features);
        forTransform(gamma, beta, mean, rstd, 0, features);
    }

    private void forTransform(
            float @Nullable [] gamma, float @Nullable [] beta, float[] mean, float[] rstd, int from, int to) {
        System.arraycopy(mean, from, centre, from, to - from);
        scale(gamma, rstd, from, to);
        if (beta == null) {
            Arrays.fill(offset, from, to, 0);
        } else {
            System.arraycopy(beta, from, offset, from, to - from);
        }
    }

    /** For {@link Transform} of dy to the gradient through fixed statistics, {@code dx = dy · gamma · rstd}; of the features {@code from} to {@code to}. */
    void forFixedStatistics(float @Nullable [] gamma, float[] rstd, int from, int to) {
        Arrays.fill(centre, from, to, 0);
        scale(gamma, rstd, from, to);
        Arrays.fill(offset, from, to, 0);
    }

    /**
     * For {@link InputGradient}, of the features {@code from} to {@code to}.
     *
     * @param dbeta in double precision
     * @param dgamma in double precision
     * @param perValue 1 / m
     */
    void forInputGradient(
            float @Nullable [] gamma,
            BatchStatistics statistics,
            double[] dbeta,
            double[] dgamma,
            double perValue,
            int from,
            int to) {
        System.arraycopy(statistics.mean(), from, centre, from, to - from);
        scale(gamma, statistics.rstd(), from, to);
        slopes(dgamma, statistics.rstd(), -perValue, slope, from, to);
        offsets(dbeta, perValue, slope, statistics.meanLow(), dyCentre, offset, from, to);
        if (!areFinite(dyCentre, from, to)) {
            for (int c = from; c < to; c++) {
                if (!Double.isFinite(dbeta[c])) {
                    // An infinity less itself would make NaN of what is infinite.
                    offset[c] = 0;
                }
            }
        }
    }

    private void scale(float @Nullable [] gamma, float[] rstd, int from, int to) {
        if (gamma == null) {
            System.arraycopy(rstd, from, scale, from, to - from);
        } else {
            multiply(gamma, rstd, scale, from, to);
        }
    }

    /** Repeats those of the C features, which may be these, for every column: what {@link Transform} needs. */
    void expandForTransform(Coefficients ofFeatures, Blocks blocks) {
        blocks.expand(ofFeatures.centre, centre);
        blocks.expand(ofFeatures.scale, scale);
        blocks.expand(ofFeatures.offset, offset);
    }

    /** The same for {@link InputGradient}. */
    void expandForInputGradient(Coefficients ofFeatures, Blocks blocks) {
        expandForTransform(ofFeatures, blocks);
        blocks.expand(ofFeatures.dyCentre, dyCentre);
        blocks.expand(ofFeatures.slope, slope);
    }

    // One simple loop for each step: so the compiler makes vector code of them.

    /** Whether no value is infinite or NaN. */
    static boolean areFinite(float[] values, int from, int to) {
        float largest = 0;
        for (int c = from; c < to; c++) {
            largest = Math.max(largest, Math.abs(values[c]));
        }
        return largest < Float.POSITIVE_INFINITY;
    }

    private static void multiply(float[] a, float[] b, float[] product, int from, int to) {
        for (int c = from; c < to; c++) {
            product[c] = a[c] * b[c];
        }
    }

    private static void subtractProduct(float[] a, float[] b, float[] values, int from, int to) {
        for (int c = from; c < to; c++) {
            values[c] -= a[c] * b[c];
        }
    }

    private static void slopes(double[] dgamma, float[] rstd, double factor, float[] slope, int from, int to) {
        for (int c = from; c < to; c++) {
            slope[c] = (float) (dgamma[c] * (rstd[c] * factor));
        }
    }

    private static void offsets(
            double[] dbeta,
            double perValue,
            float[] slope,
            float[] meanLow,
            float[] dyCentre,
            float[] offset,
            int from,
            int to) {
        for (int c = from; c < to; c++) {
            double dyMean = dbeta[c] * perValue;
            float centre = (float) dyMean;
            dyCentre[c] = centre;
            offset[c] = (float) (centre - dyMean) - slope[c] * meanLow[c];
        }
    }
}
