package org.batchnorm.tornadovm.kernels;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.LongArray;

/** The training forward in one kernel, for batches of which a work-group can keep whole features on chip. */
public final class ForwardOnChip {
    private ForwardOnChip() {}

    /**
     * {@link CollectStatistics}, {@link MergeStatistics} and {@link Transform} of tileColumns columns by one
     * work-group, which keeps its part of x in local memory and so reads it once. The arithmetic is theirs (Ioffe &amp;
     * Szegedy 2015, algorithm 1; Chan, Golub &amp; LeVeque 1983).
     *
     * <p><b>Grid</b> (⌈columns / tileColumns⌉ · tileColumns · tileRows), <b>local</b> (tileColumns · tileRows).
     * <b>Bytes</b>: x read and y written once, 8 · N·C·S, and three values of a work-item twice; 8 · C read and 16 · C
     * written, with running statistics 32 · C more. <b>Local memory</b>: 4 · keep + 20 bytes a work-item and 16 bytes a
     * column.
     *
     * @param x in, the batch
     * @param y out, the batch; may be x
     * @param parameters in, (2, C): gamma, beta
     * @param statistics out, (4, C): mean, meanLow, variance, rstd
     * @param runningStatistics in and out, (2, C): mean, variance; untouched if untracked
     * @param numBatchesTracked in and out, (C); untouched if untracked
     * @param samples in and out, (2): N, {@link Tiles#countRun}
     * @param tile keeps ⌈rows / tileRows⌉ values a work-item, of the largest batch
     * @param tracking as in {@link MergeStatistics}
     * @param inputSlope of the activation before, {@link PerValue#activated}; the statistics are of what it gives
     * @param outputSlope of the activation after
     */
    public static void forwardOnChip(
            KernelContext context,
            FloatArray x,
            FloatArray y,
            FloatArray parameters,
            FloatArray statistics,
            FloatArray runningStatistics,
            LongArray numBatchesTracked,
            IntArray samples,
            long view,
            long tile,
            double eps,
            double momentum,
            int tracking,
            float inputSlope,
            float outputSlope) {
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

        float[] kept = context.allocateFloatLocalArray(keep * lanes);
        float[] shifts = context.allocateFloatLocalArray(lanes);
        double[] sums = context.allocateDoubleLocalArray(lanes);
        double[] squares = context.allocateDoubleLocalArray(lanes);
        float[] units = context.allocateFloatLocalArray(tileColumns);
        float[] means = context.allocateFloatLocalArray(tileColumns);
        float[] meansLow = context.allocateFloatLocalArray(tileColumns);
        float[] scales = context.allocateFloatLocalArray(tileColumns);

        int row = laneRow;
        int count = column < columns ? Tiles.rowsOfWorkItem(rows, row, tile) : 0;
        float shift = 0f;
        double sum = 0;
        double square = 0;
        if (count > 0) {
            float a = x.get(Tiles.address(row + count / 4 * tileRows, column, view));
            float b = x.get(Tiles.address(row + count / 2 * tileRows, column, view));
            float c = x.get(Tiles.address(row + (count - 1 - count / 4) * tileRows, column, view));
            shift = Tiles.shift(
                    PerValue.activated(a, inputSlope),
                    PerValue.activated(b, inputSlope),
                    PerValue.activated(c, inputSlope));
        }
        int chunks = count / Tiles.LOADS;
        int at = lane;
        for (int i = 0; i < chunks; i++) {
            float x0 = x.get(Tiles.address(row, column, view));
            float x1 = x.get(Tiles.address(row + tileRows, column, view));
            float x2 = x.get(Tiles.address(row + 2 * tileRows, column, view));
            float x3 = x.get(Tiles.address(row + 3 * tileRows, column, view));
            float x4 = x.get(Tiles.address(row + 4 * tileRows, column, view));
            float x5 = x.get(Tiles.address(row + 5 * tileRows, column, view));
            float x6 = x.get(Tiles.address(row + 6 * tileRows, column, view));
            float x7 = x.get(Tiles.address(row + 7 * tileRows, column, view));
            float v0 = PerValue.activated(x0, inputSlope);
            float v1 = PerValue.activated(x1, inputSlope);
            float v2 = PerValue.activated(x2, inputSlope);
            float v3 = PerValue.activated(x3, inputSlope);
            float v4 = PerValue.activated(x4, inputSlope);
            float v5 = PerValue.activated(x5, inputSlope);
            float v6 = PerValue.activated(x6, inputSlope);
            float v7 = PerValue.activated(x7, inputSlope);
            kept[at] = v0;
            kept[at + lanes] = v1;
            kept[at + 2 * lanes] = v2;
            kept[at + 3 * lanes] = v3;
            kept[at + 4 * lanes] = v4;
            kept[at + 5 * lanes] = v5;
            kept[at + 6 * lanes] = v6;
            kept[at + 7 * lanes] = v7;
            float d0 = v0 - shift;
            float d1 = v1 - shift;
            float d2 = v2 - shift;
            float d3 = v3 - shift;
            float d4 = v4 - shift;
            float d5 = v5 - shift;
            float d6 = v6 - shift;
            float d7 = v7 - shift;
            sum += Tiles.sum(d0, d1, d2, d3, d4, d5, d6, d7);
            square += Tiles.sum(d0 * d0, d1 * d1, d2 * d2, d3 * d3, d4 * d4, d5 * d5, d6 * d6, d7 * d7);
            row += Tiles.LOADS * tileRows;
            at += Tiles.LOADS * lanes;
        }
        for (int i = chunks * Tiles.LOADS; i < count; i++) {
            float value = PerValue.activated(x.get(Tiles.address(row, column, view)), inputSlope);
            kept[at] = value;
            float d = value - shift;
            sum += d;
            square += d * d;
            row += tileRows;
            at += lanes;
        }
        if (Tiles.reliability(sum, square, count) < 0) {
            shift = Tiles.betterShift(shift, sum, count);
            sum = 0;
            square = 0;
            for (int i = 0; i < count; i++) {
                double d = (double) kept[i * lanes + lane] - shift;
                sum += d;
                square += d * d;
            }
        }

        shifts[lane] = shift;
        context.localBarrier();
        float common = shifts[laneColumn - laneColumn % span];
        double move = (double) shift - (double) common;
        sums[lane] = sum + count * move;
        squares[lane] = square + 2 * move * sum + count * move * move;
        for (int active = tileRows; active > 1; active = (active + 1) / 2) {
            int half = (active + 1) / 2;
            context.localBarrier();
            if (laneRow < active - half) {
                sums[lane] += sums[lane + half * tileColumns];
                squares[lane] += squares[lane + half * tileColumns];
            }
        }
        context.localBarrier();

        if (laneRow == 0 && laneColumn % span == 0 && column < columns) {
            double featureSum = sums[lane];
            double featureSquare = squares[lane];
            for (int i = 1; i < span; i++) {
                featureSum += sums[lane + i];
                featureSquare += squares[lane + i];
            }
            double m = (double) rows * span;
            double beyond = featureSum / m;
            double mean = common + beyond;
            double m2 = featureSquare - featureSum * beyond;
            PerFeature.store(
                    statistics,
                    runningStatistics,
                    numBatchesTracked,
                    feature,
                    features,
                    mean,
                    m2,
                    m,
                    eps,
                    momentum,
                    tracking);
            double rstd = PerFeature.rstd(m2, m, eps);
            // Backward has the float of the statistics, and must see the same signs before the activation.
            double scale = parameters.get(feature) * (outputSlope == PerValue.NONE ? rstd : (float) rstd);
            float unit = PerFeature.unit((float) mean, scale, PerFeature.FAR_FROM_ONE);
            units[laneColumn] = unit;
            means[laneColumn] = (float) mean * unit;
            meansLow[laneColumn] = PerFeature.low(mean) * unit;
            scales[laneColumn] = (float) (scale / unit);
        }
        context.localBarrier();

        if (column < columns) {
            float unit = units[laneColumn - laneColumn % span];
            float mean = means[laneColumn - laneColumn % span];
            float meanLow = meansLow[laneColumn - laneColumn % span];
            float scale = scales[laneColumn - laneColumn % span];
            float beta = parameters.get(features + feature);
            row = laneRow;
            for (int i = 0; i < count; i++) {
                float value = PerValue.normalized(kept[i * lanes + lane], unit, mean, meanLow, scale, beta);
                y.set(Tiles.address(row, column, view), PerValue.activated(value, outputSlope));
                row += tileRows;
            }
        }
        Tiles.countRun(context, samples);
    }
}
