package org.batchnorm.tornadovm.kernels.float64;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;

/** Training with frozen statistics: the running statistics stand in for the batch's. */
public final class FrozenStatistics {
    private FrozenStatistics() {}

    /**
     * {@code mean, variance = running}, {@code rstd = 1 / sqrt(variance + eps)}, so that {@link Transform} and the
     * backward kernels find them where they expect the batch's (Ioffe &amp; Szegedy 2015, algorithm 2).
     *
     * <p><b>Grid</b> (C, rounded up to the local size), <b>local</b> the device's choice. <b>Bytes</b>: 16 · C read, 32
     * · C written. <b>Backends</b>: no local memory.
     *
     * @param runningStatistics in, (2, C): mean, variance
     * @param statistics out, (4, C): mean, meanLow, variance, rstd
     */
    public static void freezeStatistics(
            KernelContext context, DoubleArray runningStatistics, DoubleArray statistics, int features, double eps) {
        int feature = context.globalIdx;
        if (feature < features) {
            double variance = runningStatistics.get(features + feature);
            statistics.set(feature, runningStatistics.get(feature));
            statistics.set(features + feature, 0.0);
            statistics.set(2 * features + feature, variance);
            statistics.set(3 * features + feature, 1 / TornadoMath.sqrt(variance + eps));
        }
    }
}
