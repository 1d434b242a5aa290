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

    /** What γ · rstd may be off from 1, times or divided, before a {@link #unit} is taken: no step is near a limit. */
    static final double FAR_FROM_ONE = 0x1p100;

    /** The same for rstd alone. It is the smaller one, because a gradient's factors are multiplied with it. */
    private static final double RSTD_FAR_FROM_ONE = 0x1p50;

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
        statistics.set(3 * features + feature, (float) rstd(m2, m, eps));
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
    static double rstd(double m2, double m, double eps) {
        return 1 / TornadoMath.sqrt(atLeastZero(m2) / m + eps);
    }

    /**
     * The unit, a power of two, by which values and their mean are multiplied before they are subtracted, so that the
     * difference does not overflow and what scales it, {@code factor / unit}, is in float32's range. Multiplying by it
     * loses nothing. It is 1 unless the mean or the factor is extreme.
     *
     * @param mean or whatever else of the values is large
     * @param factor what scales the difference
     * @param far how many times larger than 1, or smaller, the factor may be
     */
    static float unit(double mean, double factor, double far) {
        double size = TornadoMath.abs(mean);
        double scale = TornadoMath.abs(factor);
        double large = size < 0x1p60 ? far : Double.MAX_VALUE;
        float unit = scale > large ? 0x1p64f : 1f;
        float ofSize = size > 0x1p100 ? 0x1p-24f : unit;
        return scale < 1 / far ? 0x1p-64f : ofSize;
    }

    /** The {@link #unit} of x where gradients are taken. */
    static float unitOfX(float mean, float rstd) {
        return unit(mean, rstd, RSTD_FAR_FROM_ONE);
    }

    /**
     * The {@link #unit} of dy, where the mean of dy and what dx takes from it along x, some √m times dgamma / m, are
     * subtracted from it.
     */
    static float unitOfDy(double meanDy, double dgamma, double m, double scale) {
        return unit(TornadoMath.max(TornadoMath.abs(meanDy), TornadoMath.abs(dgamma / m)), scale, FAR_FROM_ONE);
    }

    /**
     * What scales dx, {@code gamma · rstd}. Two values per feature differ from their mean by ± d with d² = variance, so
     * that {@code dy − dbeta / m − x̂ · dgamma / m} cancels but for {@code eps · rstd² · (dy − dbeta / m)}: there the
     * scale has that factor, and the {@link #slope} is 0.
     */
    static double scale(float gamma, double rstd, double m, double eps) {
        double scale = gamma * rstd;
        return m == 2 ? scale * (rstd * rstd * eps) : scale;
    }

    /**
     * {@code rstd · (Σ dy·d − Σdy · mean(d))}; d is x less any constant, and of given statistics mean(d) is 0.
     *
     * @param product Σ dy·d
     * @param sum Σdy; what it has that is infinite or NaN the product has as well
     */
    static double dgamma(double product, double sum, double meanDistance, double rstd) {
        return (product - Tiles.finiteOrZero(sum * meanDistance)) * rstd;
    }

    /** What of dx goes with x − mean, {@code rstd · dgamma / m}; with two values per feature 0, or NaN if it is. */
    static double slope(double dgamma, double rstd, double m) {
        double slope = rstd * dgamma / m;
        return m == 2 ? slope * 0 : slope;
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
}
