package org.batchnorm.cpu.kernel.scalar;

import java.util.Arrays;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rstd;

/**
 * Makes the coefficients of {@code transform} of statistics: {@code centre = mean}, {@code scale = gamma · rstd} and
 * {@code offset = beta − meanLow · scale}, in plain loops. Values may be so far from their mean that {@code x − mean}
 * overflows float32; there the mean goes into the offset instead.
 */
public final class TransformCoefficients {
    /** A mean, or a distance from it, beyond which {@code x − mean} is taken for likely to overflow float32. */
    private static final float OVERFLOWS_BEYOND = 1e38f;

    private TransformCoefficients() {}

    /** With the statistics of a batch: what rounding took from the mean stands in the offset. */
    public static void ofBatch(PerFeature f, Coefficients c, int from, int to) {
        System.arraycopy(f.statistics.mean(), from, c.centre, from, to - from);
        multiply(f.gamma, f.statistics.rstd(), c.scale, from, to);
        System.arraycopy(f.beta, from, c.offset, from, to - from);
        subtractProduct(f.statistics.meanLow(), c.scale, c.offset, from, to);
    }

    /** With given statistics, as running ones are: rstd is computed from the variance, and there is no meanLow. */
    public static void ofGiven(PerFeature f, Coefficients c, int from, int to) {
        System.arraycopy(f.statistics.mean(), from, c.centre, from, to - from);
        Rstd.of(f.statistics.variance(), f.eps, c.scale, from, to);
        multiply(f.gamma, c.scale, c.scale, from, to);
        System.arraycopy(f.beta, from, c.offset, from, to - from);
        // Asked this way round, as NaN in one feature must not hide what is large in another.
        if (!(largest(c.centre, from, to) <= OVERFLOWS_BEYOND)) {
            for (int i = from; i < to; i++) {
                if (Math.abs(c.centre[i]) > OVERFLOWS_BEYOND) {
                    meanIntoOffset(f, c, i);
                }
            }
        }
    }

    /** For the gradient with given (frozen) statistics, {@code dx = dy · gamma · rstd}: a transform of dy. */
    public static void ofFrozen(PerFeature f, Coefficients c, int from, int to) {
        Arrays.fill(c.centre, from, to, 0);
        multiply(f.gamma, f.statistics.rstd(), c.scale, from, to);
        Arrays.fill(c.offset, from, to, 0);
        // With activations it is an inputGradient in which x does not count.
        Arrays.fill(c.dyCentre, from, to, 0);
        Arrays.fill(c.slope, from, to, 0);
    }

    /** Puts the mean of features into their offsets where their values are too far from it. */
    public static void keepInRange(PerFeature f, Coefficients c, int from, int to) {
        for (int i = from; i < to; i++) {
            if (mayOverflow(f, i)) {
                meanIntoOffset(f, c, i);
            }
        }
    }

    /**
     * Whether {@code x − mean} may overflow float32: no value is farther from the mean than sqrt(m) deviations. These
     * values may be a part of those m that the statistics are of.
     */
    static boolean mayOverflow(PerFeature f, int feature) {
        double m = Math.max(f.count, f.statistics.count());
        return Math.sqrt(m) / f.statistics.rstd()[feature] > OVERFLOWS_BEYOND;
    }

    /**
     * Puts the mean into the offset, {@code x · scale + (beta − mean · scale)}. Elsewhere these terms would cancel;
     * they do not where values are so far apart that their difference overflows.
     */
    private static void meanIntoOffset(PerFeature f, Coefficients c, int feature) {
        double scale = c.scale[feature];
        c.offset[feature] = (float) (f.beta[feature] - f.statistics.mean()[feature] * scale);
        c.centre[feature] = 0;
    }

    // One simple loop for each step: so the compiler makes vector code of them.

    static void multiply(float[] a, float[] b, float[] product, int from, int to) {
        for (int c = from; c < to; c++) {
            product[c] = a[c] * b[c];
        }
    }

    private static void subtractProduct(float[] a, float[] b, float[] values, int from, int to) {
        for (int c = from; c < to; c++) {
            values[c] -= a[c] * b[c];
        }
    }

    private static float largest(float[] values, int from, int to) {
        float largest = 0;
        for (int c = from; c < to; c++) {
            largest = Math.max(largest, Math.abs(values[c]));
        }
        return largest;
    }
}
