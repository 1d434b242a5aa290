package org.batchnorm.tornadovm.kernels.float64;

import org.batchnorm.tornadovm.kernels.MergeStatistics;
import org.batchnorm.tornadovm.kernels.Tiles;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.LongArray;

/** Statistics of moments. */
public final class MergedStatistics {
    private MergedStatistics() {}

    /**
     * Per feature {@code var = m2 / m} and {@code rstd = 1 / sqrt(var + eps)}, and {@code running = (1 − momentum) ·
     * running + momentum · batch}, where the batch's variance is m2 / (m − 1). A variance beyond float64 is infinite,
     * its rstd is not.
     *
     * <p><b>Grid</b> (C, rounded up to the local size), <b>local</b> the device's choice. <b>Bytes</b>: 32 · C read and
     * written, with running statistics 32 · C more and the count 16 · C. <b>Backends</b>: no local memory.
     *
     * @param moments in, (4, C) and two more: mean, meanLow, m2, unit, and m, which another follows
     * @param statistics out, (4, C): mean, meanLow, variance, rstd
     * @param runningStatistics in and out, (2, C): mean, variance; untouched if untracked
     * @param numBatchesTracked in and out, (C); untouched if untracked
     * @param samples in and out, (2): {@link Tiles#countRun}
     * @param features C
     * @param tracking as in {@link MergeStatistics}
     */
    public static void mergedStatistics(
            KernelContext context,
            DoubleArray moments,
            DoubleArray statistics,
            DoubleArray runningStatistics,
            LongArray numBatchesTracked,
            IntArray samples,
            int features,
            double eps,
            double momentum,
            int tracking) {
        int feature = context.globalIdx;
        if (feature < features) {
            double unit = moments.get(3 * features + feature);
            double mean = moments.get(feature) / unit;
            double m2 = moments.get(2 * features + feature);
            double m = moments.get(4 * features);
            statistics.set(feature, mean);
            statistics.set(features + feature, moments.get(features + feature) / unit);
            statistics.set(2 * features + feature, Units.variance(m2 / m, unit));
            statistics.set(3 * features + feature, Units.rstd(m2 / m, unit, eps));
            if (tracking != MergeStatistics.UNTRACKED) {
                long count = numBatchesTracked.get(feature) + 1;
                numBatchesTracked.set(feature, count);
                double weight = tracking == MergeStatistics.CUMULATIVE ? 1.0 / count : momentum;
                double unbiased = Units.variance(m2 / (m > 1 ? m - 1 : m), unit);
                runningStatistics.set(feature, (1 - weight) * runningStatistics.get(feature) + weight * mean);
                runningStatistics.set(
                        features + feature,
                        (1 - weight) * runningStatistics.get(features + feature) + weight * unbiased);
            }
        }
        Tiles.countRun(context, samples);
    }
}
