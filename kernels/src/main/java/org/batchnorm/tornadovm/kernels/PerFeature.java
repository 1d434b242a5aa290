package org.batchnorm.tornadovm.kernels;

import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.LongArray;

/** Arithmetic on one feature, shared by the two-stage and the on-chip kernels. Compiled into each kernel that calls it. */
final class PerFeature {
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
        double squares = m2 < 0 ? 0 : m2;
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
     * Stores the gradients of a feature's parameters and the terms of the input's gradient.
     *
     * @param sum Σdy
     * @param product Σ dy·(x − mean)
     */
    static void storeGradients(
            FloatArray statistics,
            FloatArray gradients,
            FloatArray terms,
            int feature,
            int features,
            double sum,
            double product,
            double m) {
        double rstd = statistics.get(3 * features + feature);
        double dgamma = product * rstd;
        double meanDy = sum / m;
        float high = (float) meanDy;
        gradients.set(feature, (float) dgamma);
        gradients.set(features + feature, (float) sum);
        terms.set(feature, high);
        terms.set(features + feature, Tiles.finiteOrZero((float) (meanDy - high)));
        terms.set(2 * features + feature, (float) (rstd * dgamma / m));
    }

    /**
     * {@code 1 / sqrt(value)} to about one rounding where the device's own functions may be off by several: one Newton step on what they give.
     *
     * @param value ≥ 0, or NaN
     */
    static float reciprocalSquareRoot(float value) {
        float r = 1 / TornadoMath.sqrt(value);
        float corrected = r + r * (0.5f * (1 - value * r * r));
        return TornadoMath.abs(corrected) <= Float.MAX_VALUE ? corrected : r;
    }
}
