package org.batchnorm.cpu.kernel.scalar;

import java.util.Arrays;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rstd;

/**
 * Makes the coefficients of {@code transform} of statistics: {@code centre = mean}, {@code scale = gamma · rstd} and
 * {@code offset = beta − meanLow · scale}, in plain loops.
 */
public final class TransformCoefficients {
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
    }

    /** For the gradient with given (frozen) statistics, {@code dx = dy · gamma · rstd}: a transform of dy. */
    public static void ofFrozen(PerFeature f, Coefficients c, int from, int to) {
        Arrays.fill(c.centre, from, to, 0);
        multiply(f.gamma, f.ofForward.rstd(), c.scale, from, to);
        Arrays.fill(c.offset, from, to, 0);
        // With activations it is an inputGradient in which x does not count.
        Arrays.fill(c.dyCentre, from, to, 0);
        Arrays.fill(c.slope, from, to, 0);
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
}
