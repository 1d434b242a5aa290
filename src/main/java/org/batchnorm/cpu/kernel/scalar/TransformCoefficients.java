package org.batchnorm.cpu.kernel.scalar;

import java.util.Arrays;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rstd;

/**
 * From statistics to the coefficients of {@code transform}, {@code centre = mean}, {@code scale = gamma · rstd} and
 * {@code offset = beta − meanLow · scale}; in plain loops.
 */
public final class TransformCoefficients {
    /** Beyond this, the difference of two values may overflow float32. */
    private static final float WIDE = 1e38f;

    private TransformCoefficients() {}

    /** With the statistics of a batch: what rounding took from the mean stands in the offset. */
    public static void ofBatch(PerFeature f, Coefficients c, int from, int to) {
        System.arraycopy(f.statistics.mean(), from, c.centre, from, to - from);
        multiply(f.gamma, f.statistics.rstd(), c.scale, from, to);
        System.arraycopy(f.beta, from, c.offset, from, to - from);
        subtractProduct(f.statistics.meanLow(), c.scale, c.offset, from, to);
    }

    /** With given statistics, as running ones are: the reciprocal standard deviation is made of the variance. */
    public static void ofGiven(PerFeature f, Coefficients c, int from, int to) {
        System.arraycopy(f.statistics.mean(), from, c.centre, from, to - from);
        Rstd.of(f.statistics.variance(), f.eps, c.scale, from, to);
        multiply(f.gamma, c.scale, c.scale, from, to);
        System.arraycopy(f.beta, from, c.offset, from, to - from);
        // Asked this way round, as NaN in one feature must not hide what is large in another.
        if (!(largest(c.centre, from, to) <= WIDE)) {
            for (int i = from; i < to; i++) {
                if (Math.abs(c.centre[i]) > WIDE) {
                    foldMean(f, c, i);
                }
            }
        }
    }

    /** For the gradient through given statistics, {@code dx = dy · gamma · rstd}. */
    public static void ofFixed(PerFeature f, Coefficients c, int from, int to) {
        Arrays.fill(c.centre, from, to, 0);
        multiply(f.gamma, f.statistics.rstd(), c.scale, from, to);
        Arrays.fill(c.offset, from, to, 0);
    }

    /** Whether values of a feature may be so far from its mean that {@code x − mean} overflows float32. */
    static boolean isWide(PerFeature f, int feature) {
        double most = Math.sqrt((double) f.count) / f.statistics.rstd()[feature];
        return Math.abs(f.statistics.mean()[feature]) > WIDE || most > WIDE;
    }

    /**
     * Lets the offset have the mean, {@code x · scale + (beta − mean · scale)}: what would cancel elsewhere does not
     * where values are so far apart that their difference overflows.
     */
    static void foldMean(PerFeature f, Coefficients c, int feature) {
        double scale = c.scale[feature];
        c.offset[feature] = (float) (f.beta[feature] - f.statistics.mean()[feature] * scale);
        c.centre[feature] = 0;
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

    private static float largest(float[] values, int from, int to) {
        float largest = 0;
        for (int c = from; c < to; c++) {
            largest = Math.max(largest, Math.abs(values[c]));
        }
        return largest;
    }
}
