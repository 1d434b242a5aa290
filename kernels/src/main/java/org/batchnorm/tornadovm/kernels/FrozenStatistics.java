package org.batchnorm.tornadovm.kernels;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** Training with frozen statistics: the running statistics stand in for the batch's. */
public final class FrozenStatistics {
    private FrozenStatistics() {}

    /**
     * {@code mean, variance = running}, {@code rstd = 1 / sqrt(variance + eps)}, so that {@link Transform} and the
     * backward kernels find them where they expect the batch's (Ioffe &amp; Szegedy 2015, algorithm 2, whose statistics
     * are the running ones).
     *
     * <p><b>Grid</b> (C, rounded up to the local size), <b>local</b> the device's choice. <b>Bytes</b>: 8 · C read, 16
     * · C written. <b>Backends</b>: needs float64, no local memory.
     *
     * @param runningStatistics in, (2, C): mean, variance
     * @param statistics out, (4, C): mean, meanLow, variance, rstd
     */
    public static void freezeStatistics(
            KernelContext context, FloatArray runningStatistics, FloatArray statistics, int features, double eps) {
        int feature = context.globalIdx;
        if (feature < features) {
            float variance = runningStatistics.get(features + feature);
            statistics.set(feature, runningStatistics.get(feature));
            statistics.set(features + feature, 0f);
            statistics.set(2 * features + feature, variance);
            statistics.set(3 * features + feature, (float) (1 / TornadoMath.sqrt(variance + eps)));
        }
    }
}
