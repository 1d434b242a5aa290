package org.batchnorm.tornadovm.kernels;

import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.LongArray;

/** Arithmetic on one feature, shared by the two-stage and the on-chip kernels. Compiled into each kernel that calls it. */
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
        double squares = (m2 + TornadoMath.abs(m2)) / 2; // at least 0, and NaN if m2 is
        double variance = squares / m;
        float high = (float) mean;
        statistics.set(feature, high);
        statistics.set(features + feature, Tiles.finiteOrZero((float) (mean - high)));
        statistics.set(2 * features + feature, (float) variance);
        statistics.set(3 * features + feature, (float) (1 / TornadoMath.sqrt(variance + eps)));
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

    /**
     * Stores the gradients of a feature's parameters and the terms of the input's gradient: {@code scale = gamma · rstd}, {@code dbeta / m} in two parts, {@code slope =
     * rstd · dgamma / m}. With two values per feature these cancel in dx but for eps, {@code dx = gamma · rstd³ · eps · (dy − dbeta / m)}, which is what is stored then.
     *
     * @param sum Σdy
     * @param product Σ dy·(x − mean)
     */
    static void storeGradients(
            FloatArray parameters,
            FloatArray statistics,
            FloatArray gradients,
            FloatArray terms,
            int feature,
            int features,
            double sum,
            double product,
            double m,
            double eps) {
        double rstd = statistics.get(3 * features + feature);
        double dgamma = product * rstd;
        double meanDy = sum / m;
        float high = (float) meanDy;
        double scale = parameters.get(feature) * rstd;
        double slope = rstd * dgamma / m;
        if (m == 2) {
            scale = scale * (rstd * rstd * eps);
            slope = slope * 0;
        }
        gradients.set(feature, (float) dgamma);
        gradients.set(features + feature, (float) sum);
        terms.set(feature, (float) scale);
        terms.set(features + feature, high);
        terms.set(2 * features + feature, Tiles.finiteOrZero((float) (meanDy - high)));
        terms.set(3 * features + feature, (float) slope);
    }

    /**
     * A value near the mean with so few digits that x less it is exact, or rounded up as often as down: less the mean itself, all x of one magnitude are rounded the same
     * way, and a sum over many of them is off by more than its own rounding. Of a constant feature it is the mean, from which nothing differs.
     */
    static float centre(float mean, float variance, float rstd) {
        float large = Tiles.finiteOrZero(CENTRE_DIGITS / rstd);
        return variance == 0 ? mean : (mean + large) - large;
    }

    /**
     * {@code 1 / sqrt(value)} to about one rounding where the device's own functions may be off by several: one Newton step on what they give.
     *
     * @param value ≥ 0, or NaN
     */
    static float reciprocalSquareRoot(float value) {
        float r = 1 / TornadoMath.sqrt(value);
        return r + Tiles.finiteOrZero(r * (0.5f * (1 - value * r * r)));
    }
}
