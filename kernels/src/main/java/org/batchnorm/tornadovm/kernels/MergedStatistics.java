package org.batchnorm.tornadovm.kernels;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.LongArray;

/** Statistics of values that were not all seen here: their moments come from elsewhere. */
public final class MergedStatistics {
    private MergedStatistics() {}

    /**
     * Per feature {@code var = M2 / m} and {@code rstd = 1 / sqrt(var + eps)}, and the running statistics follow: the
     * end of {@link MergeStatistics}.
     *
     * <p><b>Grid</b> (C, rounded up to the local size), <b>local</b> the device's choice. <b>Bytes</b>: 16 · C read, 16
     * · C written, with running statistics 16 · C read and written and the count 16 · C. <b>Backends</b>: needs
     * float64, no local memory.
     *
     * @param moments in, (2, C) and one more: mean, M2, and m
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
            FloatArray statistics,
            FloatArray runningStatistics,
            LongArray numBatchesTracked,
            IntArray samples,
            int features,
            double eps,
            double momentum,
            int tracking) {
        int feature = context.globalIdx;
        if (feature < features) {
            PerFeature.store(
                    statistics,
                    runningStatistics,
                    numBatchesTracked,
                    feature,
                    features,
                    moments.get(feature),
                    moments.get(features + feature),
                    moments.get(2 * features),
                    eps,
                    momentum,
                    tracking);
        }
        Tiles.countRun(context, samples);
    }
}
