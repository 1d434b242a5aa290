package org.batchnorm.tornadovm.kernels;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** Gradients over values that were not all seen here: their sums come from elsewhere. */
public final class MergedGradients {
    private MergedGradients() {}

    /**
     * Per feature dgamma and dbeta, and what {@link InputGradient} needs of them: the end of {@link MergeGradients}.
     *
     * <p><b>Grid</b> (C, rounded up to the local size), <b>local</b> the device's choice. <b>Bytes</b>: 16 · C read of
     * the sums and 12 · C of the others, 32 · C written. <b>Backends</b>: needs float64, no local memory.
     *
     * @param sums in, (2, C) and one more: dgamma, dbeta, and m
     * @param parameters in, (2, C): gamma, beta
     * @param statistics in, (4, C): mean, meanLow, variance, rstd
     * @param gradients out, (2, C): dgamma, dbeta; overwritten, not added to
     * @param terms out, (6, C), for {@link InputGradient}
     * @param samples in and out, (2): {@link Tiles#countRun}
     * @param features C
     */
    public static void mergedGradients(
            KernelContext context,
            DoubleArray sums,
            FloatArray parameters,
            FloatArray statistics,
            FloatArray gradients,
            FloatArray terms,
            IntArray samples,
            int features,
            double eps) {
        int feature = context.globalIdx;
        if (feature < features) {
            double dgamma = sums.get(feature);
            double dbeta = sums.get(features + feature);
            double m = sums.get(2 * features);
            gradients.set(feature, (float) dgamma);
            gradients.set(features + feature, (float) dbeta);
            MergeGradients.storeTerms(
                    terms, statistics, feature, features, parameters.get(feature), dgamma, dbeta, m, eps);
        }
        Tiles.countRun(context, samples);
    }
}
