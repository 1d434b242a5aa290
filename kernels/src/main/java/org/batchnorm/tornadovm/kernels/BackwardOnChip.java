package org.batchnorm.tornadovm.kernels;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Backward through the batch's statistics in one kernel, for batches of which a work-group can keep whole features on
 * chip.
 */
public final class BackwardOnChip {
    private BackwardOnChip() {}

    /**
     * {@link ReduceGradients}, {@link MergeGradients} and {@link InputGradient} of tileColumns columns by one
     * work-group, which keeps its part of dy and of x in local memory and so reads x and dy once. The arithmetic is
     * theirs (Ioffe &amp; Szegedy 2015, section 3).
     *
     * <p><b>Grid</b> (⌈columns / tileColumns⌉ · tileColumns · tileRows), <b>local</b> (tileColumns · tileRows).
     * <b>Bytes</b>: x and dy read and dx written once, 12 · N·C·S; 20 · C read and 8 · C written. <b>Local memory</b>:
     * 8 · keep + 24 bytes a work-item and 24 bytes a column.
     *
     * @param x in, the batch that the forward operation got
     * @param dy in, the gradient of its output
     * @param dx out, the gradient of its input; may be x or dy
     * @param parameters in, (2, C): gamma, beta
     * @param statistics in, (4, C): mean, meanLow, variance, rstd
     * @param gradients out, (2, C): dgamma, dbeta; overwritten, not added to
     * @param samples in and out, (2): N, {@link Tiles#countRun}
     * @param tile keeps ⌈rows / tileRows⌉ values of each tensor a work-item, of the largest batch
     * @param kind of sums, of {@link ReduceGradients}
     */
    public static void backwardOnChip(
            KernelContext context,
            FloatArray x,
            FloatArray dy,
            FloatArray dx,
            FloatArray parameters,
            FloatArray statistics,
            FloatArray gradients,
            IntArray samples,
            long view,
            long tile,
            int kind,
            double eps) {
        int columns = View.columns(view);
        int span = View.span(view);
        int features = View.features(view);
        int tileColumns = Tile.columns(tile);
        int tileRows = Tile.rows(tile);
        int keep = Tile.keep(tile);
        int lanes = Tile.items(tile);
        int lane = context.localIdx;
        int laneColumn = lane % tileColumns;
        int laneRow = lane / tileColumns;
        int column = context.groupIdx * tileColumns + laneColumn;
        int feature = column / span;
        int rows = samples.get(0) * View.rowsPerSample(view);

        float[] keptDy = context.allocateFloatLocalArray(keep * lanes);
        float[] keptX = context.allocateFloatLocalArray(keep * lanes);
        double[] sums = context.allocateDoubleLocalArray(lanes);
        double[] products = context.allocateDoubleLocalArray(lanes);
        double[] distances = context.allocateDoubleLocalArray(lanes);
        float[] scales = context.allocateFloatLocalArray(tileColumns);
        float[] units = context.allocateFloatLocalArray(tileColumns);
        float[] meansDy = context.allocateFloatLocalArray(tileColumns);
        float[] meansDyLow = context.allocateFloatLocalArray(tileColumns);
        float[] slopes = context.allocateFloatLocalArray(tileColumns);
        float[] offsets = context.allocateFloatLocalArray(tileColumns);

        int row = laneRow;
        int count = column < columns ? Tiles.rowsOfWorkItem(rows, row, tile) : 0;
        double sum = 0;
        double product = 0;
        double distance = 0;
        if (count > 0) {
            float rstd = statistics.get(3 * features + feature);
            float unit = PerFeature.unitOfX(statistics.get(feature), rstd);
            float mean = statistics.get(feature) * unit;
            float centre = PerFeature.centre(mean, statistics.get(2 * features + feature), rstd / unit);
            int left = count;
            int at = lane;
            if (kind == ReduceGradients.PAIRS) {
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
                    float d0 = x.get(a0) * unit - centre;
                    float d1 = x.get(a1) * unit - centre;
                    float d2 = x.get(a2) * unit - centre;
                    float d3 = x.get(a3) * unit - centre;
                    keptDy[at] = g0;
                    keptDy[at + lanes] = g1;
                    keptDy[at + 2 * lanes] = g2;
                    keptDy[at + 3 * lanes] = g3;
                    keptX[at] = d0;
                    keptX[at + lanes] = d1;
                    keptX[at + 2 * lanes] = d2;
                    keptX[at + 3 * lanes] = d3;
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
                    at += Tiles.LOADS / 2 * lanes;
                }
                for (int i = chunks * (Tiles.LOADS / 2); i < count; i++) {
                    int address = Tiles.address(row, column, view);
                    float g = dy.get(address);
                    float d = x.get(address) * unit - centre;
                    keptDy[at] = g;
                    keptX[at] = d;
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
                    at += lanes;
                }
                if (Pairs.reliability(sumHigh, distanceHigh, size, count) >= 0) {
                    sum = Pairs.whole(sumHigh, sumLow);
                    distance = Pairs.whole(distanceHigh, distanceLow);
                    product = Pairs.whole(productHigh, productLow);
                    left = 0;
                }
                for (int i = 0; i < left; i++) {
                    float g = keptDy[i * lanes + lane];
                    float d = keptX[i * lanes + lane];
                    sum += g;
                    distance += d;
                    product += (double) g * d;
                }
                left = 0;
            }
            int chunks = left / (Tiles.LOADS / 2);
            for (int i = 0; i < chunks; i++) {
                int a0 = Tiles.address(row, column, view);
                int a1 = Tiles.address(row + tileRows, column, view);
                int a2 = Tiles.address(row + 2 * tileRows, column, view);
                int a3 = Tiles.address(row + 3 * tileRows, column, view);
                float g0 = dy.get(a0);
                float g1 = dy.get(a1);
                float g2 = dy.get(a2);
                float g3 = dy.get(a3);
                float d0 = x.get(a0) * unit - centre;
                float d1 = x.get(a1) * unit - centre;
                float d2 = x.get(a2) * unit - centre;
                float d3 = x.get(a3) * unit - centre;
                keptDy[at] = g0;
                keptDy[at + lanes] = g1;
                keptDy[at + 2 * lanes] = g2;
                keptDy[at + 3 * lanes] = g3;
                keptX[at] = d0;
                keptX[at + lanes] = d1;
                keptX[at + 2 * lanes] = d2;
                keptX[at + 3 * lanes] = d3;
                sum += (double) g0 + g1 + g2 + g3;
                distance += (double) d0 + d1 + d2 + d3;
                product += (double) g0 * d0;
                product += (double) g1 * d1;
                product += (double) g2 * d2;
                product += (double) g3 * d3;
                row += Tiles.LOADS / 2 * tileRows;
                at += Tiles.LOADS / 2 * lanes;
            }
            for (int i = chunks * (Tiles.LOADS / 2); i < left; i++) {
                int address = Tiles.address(row, column, view);
                float g = dy.get(address);
                float d = x.get(address) * unit - centre;
                keptDy[at] = g;
                keptX[at] = d;
                sum += g;
                distance += d;
                product += (double) g * d;
                row += tileRows;
                at += lanes;
            }
            offsets[laneColumn] = (centre - mean) - statistics.get(features + feature) * unit;
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
            double m = (double) rows * span;
            float rstd = statistics.get(3 * features + feature);
            float unitOfX = PerFeature.unitOfX(statistics.get(feature), rstd);
            double dgamma = PerFeature.dgamma(featureProduct, featureSum, featureDistance / m, rstd) / unitOfX;
            gradients.set(feature, (float) dgamma);
            gradients.set(features + feature, (float) featureSum);
            double meanDy = featureSum / m;
            double scale = PerFeature.scale(parameters.get(feature), rstd, m, eps);
            float unitOfDy = PerFeature.unitOfDy(meanDy, dgamma, m, scale);
            scales[laneColumn] = (float) (scale / unitOfDy);
            units[laneColumn] = unitOfDy;
            meansDy[laneColumn] = (float) (meanDy * unitOfDy);
            meansDyLow[laneColumn] = PerFeature.low(meanDy * unitOfDy);
            slopes[laneColumn] = (float) (PerFeature.slope(dgamma, rstd, m) * unitOfDy / unitOfX);
        }
        context.localBarrier();

        if (column < columns) {
            float scale = scales[laneColumn - laneColumn % span];
            float unit = units[laneColumn - laneColumn % span];
            float meanDy = meansDy[laneColumn - laneColumn % span];
            float meanDyLow = meansDyLow[laneColumn - laneColumn % span];
            float slope = slopes[laneColumn - laneColumn % span];
            float offset = offsets[laneColumn];
            row = laneRow;
            for (int i = 0; i < count; i++) {
                float g = keptDy[i * lanes + lane];
                float d = keptX[i * lanes + lane];
                dx.set(
                        Tiles.address(row, column, view),
                        scale * (((g * unit - meanDy) - meanDyLow) - (d + offset) * slope));
                row += tileRows;
            }
        }
        Tiles.countRun(context, samples);
    }
}
