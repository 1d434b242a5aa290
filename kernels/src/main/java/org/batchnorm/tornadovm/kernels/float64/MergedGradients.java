package org.batchnorm.tornadovm.kernels.float64;

import org.batchnorm.tornadovm.kernels.Tiles;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** Gradients of γ and β of sums, and what the input's gradient needs of them. */
public final class MergedGradients {
    private MergedGradients() {}

    /**
     * Per feature dgamma and dbeta, and for {@link InputGradient} {@code gamma · rstd}, {@code dbeta / m} in two parts,
     * and {@code rstd · dgamma / m} (Ioffe &amp; Szegedy 2015, section 3).
     *
     * <p>With m = 2 dx cancels but for what eps does: there {@code gamma · eps · rstd³} stands for {@code gamma ·
     * rstd}, and the slope is 0, or NaN if it is.
     *
     * <p><b>Grid</b> (C, rounded up to the local size), <b>local</b> the device's choice. <b>Bytes</b>: 48 · C read and
     * written. <b>Backends</b>: no local memory.
     *
     * @param sums in, (4, C) and two more: dgamma, dbeta, dbetaLow, nothing, and m, which another follows
     * @param parameters in, (2, C): gamma, beta
     * @param statistics in, (4, C): mean, meanLow, variance, rstd
     * @param gradients out, (2, C): dgamma, dbeta; overwritten, not added to
     * @param terms out, (4, C), for {@link InputGradient}
     * @param samples in and out, (2): {@link Tiles#countRun}
     * @param features C
     */
    public static void mergedGradients(
            KernelContext context,
            DoubleArray sums,
            DoubleArray parameters,
            DoubleArray statistics,
            DoubleArray gradients,
            DoubleArray terms,
            IntArray samples,
            int features,
            double eps) {
        int feature = context.globalIdx;
        if (feature < features) {
            double dgamma = sums.get(feature);
            double dbeta = sums.get(features + feature);
            double m = sums.get(4 * features);
            double rstd = statistics.get(3 * features + feature);
            double scale = parameters.get(feature) * rstd;
            double unit = Units.ofDistance(statistics.get(feature), rstd);
            double slope = rstd / unit * (dgamma / m);
            double quotient = dbeta / m;
            double rest = Pairs.restOfQuotient(dbeta, sums.get(2 * features + feature), quotient, m);
            gradients.set(feature, dgamma);
            gradients.set(features + feature, dbeta);
            terms.set(feature, m == 2 ? scale * (eps * rstd * rstd) : scale);
            terms.set(features + feature, Pairs.high(quotient, rest));
            terms.set(2 * features + feature, Pairs.low(quotient, rest));
            terms.set(3 * features + feature, m == 2 ? slope * 0 : slope);
        }
        Tiles.countRun(context, samples);
    }
}
