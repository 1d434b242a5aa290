package org.batchnorm.cpu;

import java.util.Arrays;
import org.batchnorm.spi.BatchStatistics;

/**
 * What the elementwise kernels {@link Transform} and {@link InputGradient} need per column or per channel. The arrays
 * grow as needed and are longer than what is in use.
 */
final class Coefficients {
    /** The mean of x, rounded to float32. */
    float[] centre = {};

    /** The mean of dy, rounded to float32. */
    float[] dyCentre = {};

    /** The factor of x, or of dy in the backward operation: gamma · rstd. */
    float[] scale = {};

    /** The factor of x in the backward operation: −rstd · dgamma / m. */
    float[] slope = {};

    /** What is added: beta, or 0, and what rounding took from the means, scaled. */
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
    void forTransform(float[] gamma, float[] beta, BatchStatistics statistics, int from, int to) {
        forTransform(gamma, beta, statistics.mean(), statistics.rstd(), from, to);
        subtractProduct(statistics.meanLow(), scale, offset, from, to);
    }

    /** For {@link Transform} with running statistics. */
    void forTransform(float[] gamma, float[] beta, float[] mean, float[] variance, double eps, int features) {
        float[] rstd = slope;
        Rstd.of(variance, eps, rstd, 0, features);
        forTransform(gamma, beta, mean, rstd, 0, features);
    }

    private void forTransform(float[] gamma, float[] beta, float[] mean, float[] rstd, int from, int to) {
        System.arraycopy(mean, from, centre, from, to - from);
        scale(gamma, rstd, from, to);
        System.arraycopy(beta, from, offset, from, to - from);
    }

    /**
     * For {@link Transform} of dy to the gradient through fixed statistics, {@code dx = dy · gamma · rstd}; of the
     * features {@code from} to {@code to}.
     */
    void forFixedStatistics(float[] gamma, float[] rstd, int from, int to) {
        Arrays.fill(centre, from, to, 0);
        scale(gamma, rstd, from, to);
        Arrays.fill(offset, from, to, 0);
    }

    /** The factor of x, or of dy, of the features {@code from} to {@code to}. */
    void scale(float[] gamma, float[] rstd, int from, int to) {
        multiply(gamma, rstd, scale, from, to);
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
}
