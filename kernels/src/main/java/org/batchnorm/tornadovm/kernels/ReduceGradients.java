package org.batchnorm.tornadovm.kernels;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** First stage of the parameters' gradients: each work-group the sums over its rows. */
public final class ReduceGradients {
    /**
     * {@code about}: the statistics are those of these very values. Then {@code Σ(x − mean)} is 0 but for rounding, and
     * dgamma is taken as the covariance {@code Σ dy·d − Σdy · Σd / m} with {@code d = x − c}, which is the same for
     * every constant in dy and in d: it keeps its digits whatever the mean of dy.
     */
    public static final int BATCH = 0;

    /** {@code about}: the statistics were given, or are those of a batch of which these values are a part. */
    public static final int GIVEN = 1;

    /**
     * {@code about}: the statistics are those of a batch of which these values are a part, and the part's own mean is
     * known. dgamma is a covariance, as with {@link #BATCH}, moved from the part's mean to that of all: {@code Σ dy·d −
     * Σdy · (Σd / n − (meanOfPart − mean))}. What the parts' sums of d lose to rounding costs nothing, and the moves of
     * all parts add up to what they are, also where dy has a mean of many deviations.
     */
    public static final int PART = 2;

    /** {@code kind} of sums: float64, value by value. */
    public static final int FLOAT64 = 0;

    /**
     * {@code kind} of sums: pairs of float32, which cost a GPU as good as nothing where float64 is slow. The few
     * work-items for which that was not enough go over their rows once more, in float64.
     */
    public static final int PAIRS = 4;

    /** {@code given}: x. */
    public static final int INPUT = 0;

    /**
     * {@code given}: y, which stands in the place of x. With z, what stood before the activation after batch norm, x
     * less its mean is {@code (z − beta) / (gamma · rstd)} (Rota Bulò, Porzi &amp; Kontschieder 2018).
     */
    public static final int OUTPUT = 8;

    /** The bits of {@code about}. */
    static final int ABOUT = 3;

    private ReduceGradients() {}

    /**
     * The sums of Ioffe &amp; Szegedy 2015, section 3, per feature and work-group:
     *
     * <ul>
     *   <li>{@code Σdy};
     *   <li>{@code Σ dy·d}, with {@code d = x − c} and a c near the mean for which that is exact, and {@code Σd}; or,
     *       about given statistics, {@code Σ dy·(x − mean)} as {@code Σ dy·d + (c − mean)·Σdy}.
     * </ul>
     *
     * The sums cancel, so they are float64, or as good ({@link Pairs}); d is float32, in the unit of
     * {@link PerFeature#unitOfX}.
     *
     * <p><b>Grid</b> (⌈columns / tileColumns⌉ · tileColumns · tileRows, groups), <b>local</b> (tileColumns · tileRows,
     * 1). <b>Bytes</b>: x and dy read once, 8 · N·C·S, or twice where pairs were too short; partial results written, 24
     * · groups · C. <b>Local memory</b>: 24 bytes a work-item.
     *
     * @param x in, the batch that the forward operation got, or what it gave
     * @param dy in, the gradient of its output
     * @param parameters in, (2, C): gamma, beta; read with an activation after batch norm, and where y is given
     * @param statistics in, (4, C): mean, meanLow, variance, rstd
     * @param partialDy out, (groups, C)
     * @param partialDyX out, (groups, C)
     * @param partialX out, (groups, C): Σd, less {@code n_g · (meanOfPart − mean)} of a {@link #PART}; untouched about
     *     given statistics
     * @param moments in, (2, C) and one more: the mean of these values, and what is not read; read for a {@link #PART}
     *     only
     * @param samples in and out, (2): N, {@link Tiles#countRun}
     * @param sumsOf {@code about}, which is {@link #BATCH}, {@link #GIVEN} or {@link #PART}, {@code kind},
     *     {@link #FLOAT64} or {@link #PAIRS}, and {@code given}, {@link #INPUT} or {@link #OUTPUT}, added up
     * @param inputSlope of the activation before, {@link PerValue#activated}; x in the formulas is what it gives. Where
     *     y is given there is none
     * @param outputSlope of the activation after; dy in the formulas is the gradient before it
     */
    public static void reduceGradients(
            KernelContext context,
            FloatArray x,
            FloatArray dy,
            FloatArray parameters,
            FloatArray statistics,
            DoubleArray partialDy,
            DoubleArray partialDyX,
            DoubleArray partialX,
            DoubleArray moments,
            IntArray samples,
            long view,
            long tile,
            int sumsOf,
            float inputSlope,
            float outputSlope) {
        int about = sumsOf & ABOUT;
        int kind = sumsOf & PAIRS;
        int given = sumsOf & OUTPUT;
        float undoneSlope = given == OUTPUT ? outputSlope : PerValue.NONE;
        float mappedSlope = given == OUTPUT ? PerValue.NONE : outputSlope;
        int columns = View.columns(view);
        int span = View.span(view);
        int features = View.features(view);
        int tileColumns = Tile.columns(tile);
        int tileRows = Tile.rows(tile);
        int lane = context.localIdx;
        int laneColumn = lane % tileColumns;
        int laneRow = lane / tileColumns;
        int group = context.groupIdy;
        int column = context.groupIdx * tileColumns + laneColumn;
        int rows = samples.get(0) * View.rowsPerSample(view);
        int share = Tiles.rowsPerGroup(rows, tile);
        int begin = TornadoMath.min(group * share, rows);
        int end = TornadoMath.min(begin + share, rows);

        double[] sums = context.allocateDoubleLocalArray(tileColumns * tileRows);
        double[] products = context.allocateDoubleLocalArray(tileColumns * tileRows);
        double[] distances = context.allocateDoubleLocalArray(tileColumns * tileRows);

        double sum = 0;
        double product = 0;
        double distance = 0;
        if (column < columns) {
            int feature = column / span;
            float rstd = statistics.get(3 * features + feature);
            float unit = PerFeature.unitOfX(statistics.get(feature), rstd);
            float mean = statistics.get(feature) * unit;
            float centre = PerFeature.centre(mean, statistics.get(2 * features + feature), rstd / unit);
            if (given == OUTPUT) {
                float gamma = parameters.get(feature);
                mean = parameters.get(features + feature);
                centre = PerFeature.centre(mean, statistics.get(2 * features + feature), 1f / gamma);
                unit = (float) (unit / (gamma * (double) rstd));
            }
            float outUnit = 1f;
            float outMean = 0f;
            float outMeanLow = 0f;
            float outScale = 1f;
            // Without a map of x it is the identity, as -0 adds nothing to any value.
            float beta = -0f;
            if (mappedSlope != PerValue.NONE) {
                // As Transform has them.
                double factor = parameters.get(feature) * (double) statistics.get(3 * features + feature);
                outUnit = PerFeature.unit(statistics.get(feature), factor, PerFeature.FAR_FROM_ONE);
                outMean = statistics.get(feature) * outUnit;
                outMeanLow = statistics.get(features + feature) * outUnit;
                outScale = (float) (factor / outUnit);
                beta = parameters.get(features + feature);
            }
            int row = begin + laneRow;
            int count = Tiles.rowsOfWorkItem(end, row, tile);
            int left = count;
            if (kind == PAIRS) {
                float sumHigh = 0f;
                float sumLow = 0f;
                float distanceHigh = 0f;
                float distanceLow = 0f;
                float productHigh = 0f;
                float productLow = 0f;
                float size = 0f;
                int chunks = count / (Tiles.LOADS / 2);
                for (int i = 0; i < chunks; i++) {
                    int a0 = Tiles.address(row, column, view);
                    int a1 = Tiles.address(row + tileRows, column, view);
                    int a2 = Tiles.address(row + 2 * tileRows, column, view);
                    int a3 = Tiles.address(row + 3 * tileRows, column, view);
                    float g0 = dy.get(a0);
                    float g1 = dy.get(a1);
                    float g2 = dy.get(a2);
                    float g3 = dy.get(a3);
                    float v0 = x.get(a0);
                    float v1 = x.get(a1);
                    float v2 = x.get(a2);
                    float v3 = x.get(a3);
                    v0 = PerValue.undone(PerValue.activated(v0, inputSlope), undoneSlope);
                    v1 = PerValue.undone(PerValue.activated(v1, inputSlope), undoneSlope);
                    v2 = PerValue.undone(PerValue.activated(v2, inputSlope), undoneSlope);
                    v3 = PerValue.undone(PerValue.activated(v3, inputSlope), undoneSlope);
                    g0 = PerValue.beforeOutput(g0, v0, outUnit, outMean, outMeanLow, outScale, beta, outputSlope);
                    g1 = PerValue.beforeOutput(g1, v1, outUnit, outMean, outMeanLow, outScale, beta, outputSlope);
                    g2 = PerValue.beforeOutput(g2, v2, outUnit, outMean, outMeanLow, outScale, beta, outputSlope);
                    g3 = PerValue.beforeOutput(g3, v3, outUnit, outMean, outMeanLow, outScale, beta, outputSlope);
                    float d0 = PerValue.distance(v0, unit, centre, given);
                    float d1 = PerValue.distance(v1, unit, centre, given);
                    float d2 = PerValue.distance(v2, unit, centre, given);
                    float d3 = PerValue.distance(v3, unit, centre, given);
                    float p0 = Pairs.product(g0, d0);
                    float p1 = Pairs.product(g1, d1);
                    float p2 = Pairs.product(g2, d2);
                    float p3 = Pairs.product(g3, d3);
                    float four = Pairs.sum(g0, g1, g2, g3);
                    float next = sumHigh + four;
                    sumLow += Pairs.lost(g0, g1, g2, g3) + Pairs.lost(sumHigh, four, next);
                    sumHigh = next + sumLow;
                    sumLow -= sumHigh - next;
                    four = Pairs.sum(d0, d1, d2, d3);
                    next = distanceHigh + four;
                    distanceLow += Pairs.lost(d0, d1, d2, d3) + Pairs.lost(distanceHigh, four, next);
                    distanceHigh = next + distanceLow;
                    distanceLow -= distanceHigh - next;
                    four = Pairs.sum(p0, p1, p2, p3);
                    next = productHigh + four;
                    productLow += Pairs.lost(p0, p1, p2, p3) + Pairs.lost(productHigh, four, next);
                    productLow -= Pairs.sum(
                            Pairs.added(g0, d0, p0),
                            Pairs.added(g1, d1, p1),
                            Pairs.added(g2, d2, p2),
                            Pairs.added(g3, d3, p3));
                    productHigh = next + productLow;
                    productLow -= productHigh - next;
                    size += Pairs.sum(
                            TornadoMath.abs(p0), TornadoMath.abs(p1), TornadoMath.abs(p2), TornadoMath.abs(p3));
                    row += Tiles.LOADS / 2 * tileRows;
                }
                for (int i = chunks * (Tiles.LOADS / 2); i < count; i++) {
                    int address = Tiles.address(row, column, view);
                    float g = dy.get(address);
                    float v = PerValue.undone(PerValue.activated(x.get(address), inputSlope), undoneSlope);
                    g = PerValue.beforeOutput(g, v, outUnit, outMean, outMeanLow, outScale, beta, outputSlope);
                    float d = PerValue.distance(v, unit, centre, given);
                    float p = Pairs.product(g, d);
                    float next = sumHigh + g;
                    sumLow += Pairs.lost(sumHigh, g, next);
                    sumHigh = next;
                    next = distanceHigh + d;
                    distanceLow += Pairs.lost(distanceHigh, d, next);
                    distanceHigh = next;
                    next = productHigh + p;
                    productLow += Pairs.lost(productHigh, p, next) - Pairs.added(g, d, p);
                    productHigh = next;
                    size += TornadoMath.abs(p);
                    row += tileRows;
                }
                if (Pairs.reliability(sumHigh, distanceHigh, size, count) >= 0) {
                    sum = Pairs.whole(sumHigh, sumLow);
                    distance = Pairs.whole(distanceHigh, distanceLow);
                    product = Pairs.whole(productHigh, productLow);
                    left = 0;
                }
                row = begin + laneRow;
            }
            int chunks = kind == PAIRS ? 0 : left / (Tiles.LOADS / 2);
            for (int i = 0; i < chunks; i++) {
                int a0 = Tiles.address(row, column, view);
                int a1 = Tiles.address(row + tileRows, column, view);
                int a2 = Tiles.address(row + 2 * tileRows, column, view);
                int a3 = Tiles.address(row + 3 * tileRows, column, view);
                float g0 = dy.get(a0);
                float g1 = dy.get(a1);
                float g2 = dy.get(a2);
                float g3 = dy.get(a3);
                float v0 = x.get(a0);
                float v1 = x.get(a1);
                float v2 = x.get(a2);
                float v3 = x.get(a3);
                v0 = PerValue.undone(PerValue.activated(v0, inputSlope), undoneSlope);
                v1 = PerValue.undone(PerValue.activated(v1, inputSlope), undoneSlope);
                v2 = PerValue.undone(PerValue.activated(v2, inputSlope), undoneSlope);
                v3 = PerValue.undone(PerValue.activated(v3, inputSlope), undoneSlope);
                g0 = PerValue.beforeOutput(g0, v0, outUnit, outMean, outMeanLow, outScale, beta, outputSlope);
                g1 = PerValue.beforeOutput(g1, v1, outUnit, outMean, outMeanLow, outScale, beta, outputSlope);
                g2 = PerValue.beforeOutput(g2, v2, outUnit, outMean, outMeanLow, outScale, beta, outputSlope);
                g3 = PerValue.beforeOutput(g3, v3, outUnit, outMean, outMeanLow, outScale, beta, outputSlope);
                float d0 = PerValue.distance(v0, unit, centre, given);
                float d1 = PerValue.distance(v1, unit, centre, given);
                float d2 = PerValue.distance(v2, unit, centre, given);
                float d3 = PerValue.distance(v3, unit, centre, given);
                sum += (double) g0 + g1 + g2 + g3;
                distance += (double) d0 + d1 + d2 + d3;
                product += (double) g0 * d0;
                product += (double) g1 * d1;
                product += (double) g2 * d2;
                product += (double) g3 * d3;
                row += Tiles.LOADS / 2 * tileRows;
            }
            for (int i = chunks * (Tiles.LOADS / 2); i < left; i++) {
                int at = Tiles.address(row, column, view);
                float g = dy.get(at);
                float v = PerValue.undone(PerValue.activated(x.get(at), inputSlope), undoneSlope);
                g = PerValue.beforeOutput(g, v, outUnit, outMean, outMeanLow, outScale, beta, outputSlope);
                float d = PerValue.distance(v, unit, centre, given);
                sum += g;
                distance += d;
                product += (double) g * d;
                row += tileRows;
            }
            if (about == GIVEN) {
                double beyond = (double) centre - mean;
                if (given == OUTPUT) {
                    beyond *= unit;
                } else {
                    beyond -= statistics.get(features + feature) * unit;
                }
                product += Tiles.finiteOrZero(beyond * sum);
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
        context.localBarrier();

        if (laneRow == 0 && laneColumn % span == 0 && column < columns) {
            double featureSum = sums[lane];
            double featureProduct = products[lane];
            double featureDistance = distances[lane];
            for (int i = 1; i < span; i++) {
                featureSum += sums[lane + i];
                featureProduct += products[lane + i];
                featureDistance += distances[lane + i];
            }
            int feature = column / span;
            if (about == PART) {
                float mean = statistics.get(feature);
                double apart = (moments.get(feature) - mean) - statistics.get(features + feature);
                double unit = PerFeature.unitOfX(mean, statistics.get(3 * features + feature));
                featureDistance -= Tiles.finiteOrZero((end - begin) * span * unit * apart);
            }
            int at = group * features + feature;
            partialDy.set(at, featureSum);
            partialDyX.set(at, featureProduct);
            if (about != GIVEN) {
                partialX.set(at, featureDistance);
            }
        }
        Tiles.countRun(context, samples);
    }
}
