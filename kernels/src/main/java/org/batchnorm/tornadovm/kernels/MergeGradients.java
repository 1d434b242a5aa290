package org.batchnorm.tornadovm.kernels;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Second stage of the parameters' gradients: the work-groups' sums become dgamma and dbeta, and what the input's
 * gradient needs of them.
 */
public final class MergeGradients {
    private MergeGradients() {}

    /**
     * Per feature over all groups, in float64 (Ioffe &amp; Szegedy 2015, section 3):
     *
     * <ul>
     *   <li>{@code dbeta = Σdy} and {@code dgamma = rstd · Σ dy·(x − mean)};
     *   <li>for {@link InputGradient} {@code gamma · rstd}, {@code rstd · dgamma / m}, and {@code dbeta / m} in two
     *       parts.
     * </ul>
     *
     * <p><b>Grid</b> (⌈C / tileColumns⌉ · tileColumns · tileRows), <b>local</b> (tileColumns · tileRows). <b>Bytes</b>:
     * partial results read once, 16 · groups · C; 8 · C read, 24 · C written. <b>Local memory</b>: 16 bytes a
     * work-item.
     *
     * @param partialDy in, (groups, C)
     * @param partialDyX in, (groups, C)
     * @param parameters in, (2, C): gamma, beta
     * @param statistics in, (4, C): mean, meanLow, variance, rstd
     * @param gradients out, (2, C): dgamma, dbeta; overwritten, not added to
     * @param terms out, (4, C), of {@link #storeTerms}: gamma · rstd, dbeta / m, what rounding took from it, slope
     * @param samples in and out, (2): N, {@link Tiles#countRun}
     * @param groups of {@link ReduceGradients}
     * @param tileColumns features of a work-group
     * @param tileRows work-items that share a feature's groups
     */
    public static void mergeGradients(
            KernelContext context,
            DoubleArray partialDy,
            DoubleArray partialDyX,
            FloatArray parameters,
            FloatArray statistics,
            FloatArray gradients,
            FloatArray terms,
            IntArray samples,
            int rowsPerSample,
            int features,
            int span,
            int groups,
            int tileColumns,
            int tileRows,
            double eps) {
        int lane = context.localIdx;
        int laneRow = lane / tileColumns;
        int feature = context.groupIdx * tileColumns + lane % tileColumns;

        double[] sums = context.allocateDoubleLocalArray(tileColumns * tileRows);
        double[] products = context.allocateDoubleLocalArray(tileColumns * tileRows);

        double sum = 0;
        double product = 0;
        if (feature < features) {
            for (int group = laneRow; group < groups; group += tileRows) {
                sum += partialDy.get(group * features + feature);
                product += partialDyX.get(group * features + feature);
            }
        }
        sums[lane] = sum;
        products[lane] = product;
        for (int active = tileRows; active > 1; active = (active + 1) / 2) {
            int half = (active + 1) / 2;
            context.localBarrier();
            if (laneRow < active - half) {
                sums[lane] += sums[lane + half * tileColumns];
                products[lane] += products[lane + half * tileColumns];
            }
        }

        if (laneRow == 0 && feature < features) {
            double m = (double) samples.get(0) * rowsPerSample * span;
            double rstd = statistics.get(3 * features + feature);
            double dgamma = products[lane] * rstd;
            gradients.set(feature, (float) dgamma);
            gradients.set(features + feature, (float) sums[lane]);
            storeTerms(terms, feature, features, parameters.get(feature), rstd, dgamma, sums[lane], m, eps);
        }
        Tiles.countRun(context, samples);
    }

    /**
     * Stores what {@link InputGradient#inputGradient} needs of one feature: {@code gamma · rstd}, {@code dbeta / m} in
     * two parts, and the slope {@code rstd · dgamma / m}. With m = 2 these cancel in dx but for what eps does. So there
     * the first is {@code gamma · eps · rstd³} and the slope 0. It is compiled into the kernel above; the host calls it
     * for gradients that were merged there.
     *
     * @param terms out, (4, C)
     * @param m values of which dgamma and dbeta are the sums
     */
    public static void storeTerms(
            FloatArray terms,
            int feature,
            int features,
            float gamma,
            double rstd,
            double dgamma,
            double dbeta,
            double m,
            double eps) {
        double meanDy = dbeta / m;
        terms.set(feature, PerFeature.scale(gamma, rstd, m, eps));
        terms.set(features + feature, (float) meanDy);
        terms.set(2 * features + feature, PerFeature.low(meanDy));
        terms.set(3 * features + feature, PerFeature.slope(dgamma, rstd, m));
    }
}
