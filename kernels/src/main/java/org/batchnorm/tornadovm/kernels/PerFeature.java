package org.batchnorm.tornadovm.kernels;

import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.LongArray;

/**
 * Arithmetic on one feature, shared by the two-stage and the on-chip kernels. Compiled into each kernel that calls it.
 */
final class PerFeature {
    /** The centre is a multiple of about 2⁻⁸ standard deviations: 1.5 · 2¹⁵ of them have a last place of that size. */
    private static final float CENTRE_DIGITS = 1.5f * (1 << 15);

    private PerFeature() {}

    /**
     * Stores the statistics of a feature and moves its running statistics.
     *
     * @param mean over the m values
     * @param m2 the sum of squared deviations from it
     */
    static void store(
            FloatArray statistics,
            FloatArray runningStatistics,
            LongArray numBatchesTracked,
            int feature,
            int features,
            double mean,
            double m2,
            double m,
            double eps,
            double momentum,
            int tracking) {
        double squares = atLeastZero(m2);
        statistics.set(feature, (float) mean);
        statistics.set(features + feature, low(mean));
        statistics.set(2 * features + feature, (float) (squares / m));
        statistics.set(3 * features + feature, rstd(m2, m, eps));
        if (tracking != MergeStatistics.UNTRACKED) {
            long count = numBatchesTracked.get(feature) + 1;
            numBatchesTracked.set(feature, count);
            double weight = tracking == MergeStatistics.CUMULATIVE ? 1.0 / count : momentum;
            double unbiased = squares / (m > 1 ? m - 1 : m);
            runningStatistics.set(feature, (float) ((1 - weight) * runningStatistics.get(feature) + weight * mean));
            runningStatistics.set(features + feature, (float)
                    ((1 - weight) * runningStatistics.get(features + feature) + weight * unbiased));
        }
    }

    /** What rounding to float32 takes from a value; 0 where it is infinite or NaN. */
    static float low(double value) {
        return Tiles.finiteOrZero((float) (value - (float) value));
    }

    /** {@code 1 / sqrt(m2 / m + eps)}. */
    static float rstd(double m2, double m, double eps) {
        return (float) (1 / TornadoMath.sqrt(atLeastZero(m2) / m + eps));
    }

    /**
     * What scales dx, {@code gamma · rstd}. Two values per feature differ from their mean by ± d with d² = variance, so
     * that {@code dy − dbeta / m − x̂ · dgamma / m} cancels but for {@code eps · rstd² · (dy − dbeta / m)}: there the
     * scale has that factor, and the {@link #slope} is 0.
     */
    static float scale(float gamma, double rstd, double m, double eps) {
        double scale = gamma * rstd;
        return (float) (m == 2 ? scale * (rstd * rstd * eps) : scale);
    }

    /** What of dx goes with x − mean, {@code rstd · dgamma / m}; with two values per feature 0, or NaN if it is. */
    static float slope(double dgamma, double rstd, double m) {
        double slope = rstd * dgamma / m;
        return (float) (m == 2 ? slope * 0 : slope);
    }

    /** The value, 0 where it is negative, NaN where it is NaN. */
    private static double atLeastZero(double value) {
        return (value + TornadoMath.abs(value)) / 2;
    }

    /**
     * A value near the mean with so few digits that x less it is exact, or rounded up as often as down: less the mean
     * itself, all x of one magnitude are rounded the same way, and a sum over many of them is off by more than its own
     * rounding. Of a constant feature it is the mean, from which nothing differs.
     */
    static float centre(float mean, float variance, float rstd) {
        float large = Tiles.finiteOrZero(CENTRE_DIGITS / rstd);
        return variance == 0 ? mean : (mean + large) - large;
    }

    /**
     * {@code 1 / sqrt(value)} to about one rounding where the device's own functions may be off by several: one Newton
     * step on what they give.
     *
     * @param value ≥ 0, or NaN
     */
    static float reciprocalSquareRoot(float value) {
        float r = 1 / TornadoMath.sqrt(value);
        return r + Tiles.finiteOrZero(r * (0.5f * (1 - value * r * r)));
    }
}
