package org.batchnorm.cpu.kernel.scalar;

import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.MergeStatistics;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rstd;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.cpu.kernel.Suspect;
import org.batchnorm.cpu.kernel.Wide;
import org.batchnorm.spi.BatchStatistics;

/** {@link MergeStatistics} in plain loops. */
public final class ScalarMergeStatistics implements MergeStatistics {
    /** The merge, which has no state of its own. */
    public ScalarMergeStatistics() {}

    @Override
    public boolean merge(Sums sums, PerFeature f, Coefficients c, int from, int to) {
        BatchStatistics statistics = f.statistics;
        double perValue = 1.0 / f.count;
        means(sums.sum, perValue, c.shift, statistics, from, to);
        variances(sums, perValue, statistics.variance(), from, to);
        Rstd.of(statistics.variance(), f.eps, statistics.rstd(), from, to);
        TransformCoefficients.ofBatch(f, c, from, to);
        return noneIsSuspect(sums.sum, perValue, statistics.variance(), f.far, from, to)
                && Wide.isNone(f, c, false, from, to);
    }

    // One simple loop for each step: so the compiler makes vector code of them.

    private static void means(
            double[] sums, double perValue, float[] shift, BatchStatistics statistics, int from, int to) {
        float[] mean = statistics.mean();
        float[] meanLow = statistics.meanLow();
        for (int c = from; c < to; c++) {
            double exact = shift[c] + sums[c] * perValue;
            float high = (float) exact;
            mean[c] = high;
            meanLow[c] = (float) (exact - high);
        }
    }

    private static void variances(Sums all, double perValue, float[] variance, int from, int to) {
        double[] sums = all.sum;
        double[] squares = all.product;
        for (int c = from; c < to; c++) {
            double delta = sums[c] * perValue;
            variance[c] = (float) (squares[c] * perValue - delta * delta);
        }
    }

    /**
     * The quick look of {@link Suspect}: whether no feature is suspect, as far as can be seen in float32. A constant
     * feature is taken for suspect, as its variance is 0. Where the shift is near the mean, the variance is at least a
     * (1 + far)-th of the mean square, so that looking at its range is enough. What overflows makes NaN when it is
     * multiplied by 0, and NaN fails the comparison.
     */
    private static boolean noneIsSuspect(
            double[] sums, double perValue, float[] variance, float far, int from, int to) {
        float perFar = Suspect.STRICTER / far;
        float least = Float.MAX_VALUE;
        for (int c = from; c < to; c++) {
            float v = variance[c];
            float delta = (float) (sums[c] * perValue);
            float needed = delta * delta * perFar + Suspect.TINY;
            least = Math.min(least, v * Suspect.TOWARDS_OVERFLOW * 0 + (v - needed));
        }
        return least >= 0;
    }
}
