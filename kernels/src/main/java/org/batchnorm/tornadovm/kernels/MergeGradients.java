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
    /** {@code about}: given statistics, and the sums are what is wanted; gradients and terms stay as they are. */
    public static final int SUMS = 2;

    /** {@code about}: the sums are what is wanted, those of {@link ReduceGradients#PART}. */
    public static final int SUMS_OF_PART = 3;

    private MergeGradients() {}

    /**
     * Per feature over all groups, in float64 (Ioffe &amp; Szegedy 2015, section 3):
     *
     * <ul>
     *   <li>{@code dbeta = Σdy} and {@code dgamma = rstd · Σ dy·(x − mean)}, with the sums of {@link ReduceGradients};
     *   <li>for {@link InputGradient} {@code gamma · rstd}, {@code rstd · dgamma / m}, and {@code dbeta / m} in two
     *       parts.
     * </ul>
     *
     * <p><b>Grid</b> (⌈C / tileColumns⌉ · tileColumns · tileRows), <b>local</b> (tileColumns · tileRows). <b>Bytes</b>:
     * partial results read once, 24 · groups · C; 12 · C read, 32 · C written. <b>Local memory</b>: 24 bytes a
     * work-item.
     *
     * @param partialDy in, (groups, C)
     * @param partialDyX in, (groups, C)
     * @param partialX in, (groups, C); not read about given statistics
     * @param wholeSums out, (2, C) and one more: dgamma, dbeta, and m; written where sums are wanted only
     * @param parameters in, (2, C): gamma, beta
     * @param statistics in, (4, C): mean, meanLow, variance, rstd
     * @param gradients out, (2, C): dgamma, dbeta; overwritten, not added to
     * @param terms out, (6, C), for {@link InputGradient}
     * @param samples in and out, (2): N, {@link Tiles#countRun}
     * @param tile of {@link ReduceGradients}
     * @param mergeTile its columns are features, and its rows work-items that share a feature's groups
     * @param about {@link ReduceGradients#BATCH}, {@link ReduceGradients#GIVEN}, {@link #SUMS} or {@link #SUMS_OF_PART}
     */
    public static void mergeGradients(
            KernelContext context,
            DoubleArray partialDy,
            DoubleArray partialDyX,
            DoubleArray partialX,
            DoubleArray wholeSums,
            FloatArray parameters,
            FloatArray statistics,
            FloatArray gradients,
            FloatArray terms,
            IntArray samples,
            long view,
            long tile,
            long mergeTile,
            double eps,
            int about) {
        int features = View.features(view);
        int groups = Tile.groups(tile);
        int tileColumns = Tile.columns(mergeTile);
        int tileRows = Tile.rows(mergeTile);
        int lane = context.localIdx;
        int laneRow = lane / tileColumns;
        int feature = context.groupIdx * tileColumns + lane % tileColumns;

        double[] sums = context.allocateDoubleLocalArray(tileColumns * tileRows);
        double[] products = context.allocateDoubleLocalArray(tileColumns * tileRows);
        double[] distances = context.allocateDoubleLocalArray(tileColumns * tileRows);

        double sum = 0;
        double product = 0;
        double distance = 0;
        if (feature < features) {
            for (int group = laneRow; group < groups; group += tileRows) {
                sum += partialDy.get(group * features + feature);
                product += partialDyX.get(group * features + feature);
                if (about == ReduceGradients.BATCH || about == SUMS_OF_PART) {
                    distance += partialX.get(group * features + feature);
                }
            }
        }
        sums[lane] = sum;
        products[lane] = product;
        distances[lane] = distance;
        for (int active = tileRows; active > 1; active = (active + 1) / 2) {
            int half = (active + 1) / 2;
            context.localBarrier();
            if (laneRow < active - half) {
                sums[lane] += sums[lane + half * tileColumns];
                products[lane] += products[lane + half * tileColumns];
                distances[lane] += distances[lane + half * tileColumns];
            }
        }

        if (laneRow == 0 && feature < features) {
            double m = (double) samples.get(0) * View.rowsPerSample(view) * View.span(view);
            float rstd = statistics.get(3 * features + feature);
            double dbeta = sums[lane];
            double dgamma = PerFeature.dgamma(products[lane], dbeta, distances[lane] / m, rstd)
                    / PerFeature.unitOfX(statistics.get(feature), rstd);
            if (about >= SUMS) {
                wholeSums.set(feature, dgamma);
                wholeSums.set(features + feature, dbeta);
                if (feature == 0) {
                    wholeSums.set(2 * features, m);
                }
            } else {
                gradients.set(feature, (float) dgamma);
                gradients.set(features + feature, (float) dbeta);
                storeTerms(terms, statistics, feature, features, parameters.get(feature), dgamma, dbeta, m, eps);
            }
        }
        Tiles.countRun(context, samples);
    }

    /**
     * Stores what {@link InputGradient#inputGradient} needs of one feature, with a unit for dy and one for x, powers of
     * two that keep its steps in float32's range ({@link PerFeature#unit}, nearly always 1):
     *
     * <ol start="0">
     *   <li>{@code gamma · rstd} by the unit of dy
     *   <li>the unit of dy
     *   <li>{@code dbeta / m} in it
     *   <li>what rounding took from that
     *   <li>the slope {@code rstd · dgamma / m}, from x in its unit to dy in its own
     *   <li>the unit of x
     * </ol>
     *
     * With m = 2 dx cancels but for what eps does: there {@code gamma · eps · rstd³} stands for {@code gamma · rstd},
     * and the slope is 0. It is compiled into the kernel above and into {@link MergedGradients}.
     *
     * @param terms out, (6, C)
     * @param statistics in, (4, C): mean, meanLow, variance, rstd
     * @param m values of which dgamma and dbeta are the sums
     */
    static void storeTerms(
            FloatArray terms,
            FloatArray statistics,
            int feature,
            int features,
            float gamma,
            double dgamma,
            double dbeta,
            double m,
            double eps) {
        float rstd = statistics.get(3 * features + feature);
        double meanDy = dbeta / m;
        double scale = PerFeature.scale(gamma, rstd, m, eps);
        float unitOfX = PerFeature.unitOfX(statistics.get(feature), rstd);
        float unitOfDy = PerFeature.unitOfDy(meanDy, dgamma, m, scale);
        double meanInUnit = meanDy * unitOfDy;
        terms.set(feature, (float) (scale / unitOfDy));
        terms.set(features + feature, unitOfDy);
        terms.set(2 * features + feature, (float) meanInUnit);
        terms.set(3 * features + feature, PerFeature.low(meanInUnit));
        terms.set(4 * features + feature, (float) (PerFeature.slope(dgamma, rstd, m) * unitOfDy / unitOfX));
        terms.set(5 * features + feature, unitOfX);
    }
}
