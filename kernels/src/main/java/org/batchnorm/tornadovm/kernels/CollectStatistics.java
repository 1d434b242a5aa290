package org.batchnorm.tornadovm.kernels;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** First stage of the statistics: each work-group the mean and the squared deviations of its rows. */
public final class CollectStatistics {
    private CollectStatistics() {}

    /**
     * Per feature and work-group g over its n_g values: {@code mean_g = Σx / n_g} and {@code M2_g = Σ(x − mean_g)²}.
     *
     * <p>Every work-item subtracts a shift k near the mean before it sums, {@code Σ(x − k)} and {@code Σ(x − k)²}, so
     * that nothing cancels whatever the mean: the median of its values a quarter, half and three quarters down its
     * rows. Eight values at a time are summed in float32 as a tree, and these sums in float64. Where the sums show that
     * the shift was far from the mean, or that squares left float32's range, the work-item goes over its rows once more
     * about a better shift, in float64: x is read at most twice, whatever the data. The work-items of a feature then
     * move their sums to a common shift and add them up (Chan, Golub &amp; LeVeque 1983, equation 2.1, in its shifted
     * form).
     *
     * <p><b>Grid</b> (⌈columns / tileColumns⌉ · tileColumns · tileRows, groups), <b>local</b> (tileColumns · tileRows,
     * 1). <b>Bytes</b>: x read once, 4 · N·C·S, and three values of a work-item twice; partial results written, 16 ·
     * groups · C. <b>Local memory</b>: 20 bytes a work-item.
     *
     * @param x in, the batch
     * @param partialMean out, (groups, C): mean_g; 0 for a group without rows
     * @param partialM2 out, (groups, C): M2_g
     * @param samples in and out, (2): N, {@link Tiles#countRun}
     * @param inputSlope of the activation before batch norm, {@link PerValue#activated}; x here is what it gives
     */
    public static void collectStatistics(
            KernelContext context,
            FloatArray x,
            DoubleArray partialMean,
            DoubleArray partialM2,
            IntArray samples,
            long view,
            long tile,
            float inputSlope) {
        int columns = View.columns(view);
        int span = View.span(view);
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

        float[] shifts = context.allocateFloatLocalArray(tileColumns * tileRows);
        double[] sums = context.allocateDoubleLocalArray(tileColumns * tileRows);
        double[] squares = context.allocateDoubleLocalArray(tileColumns * tileRows);

        int row = begin + laneRow;
        int count = column < columns ? Tiles.rowsOfWorkItem(end, row, tile) : 0;
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
        for (int i = 0; i < chunks; i++) {
            float x0 = x.get(Tiles.address(row, column, view));
            float x1 = x.get(Tiles.address(row + tileRows, column, view));
            float x2 = x.get(Tiles.address(row + 2 * tileRows, column, view));
            float x3 = x.get(Tiles.address(row + 3 * tileRows, column, view));
            float x4 = x.get(Tiles.address(row + 4 * tileRows, column, view));
            float x5 = x.get(Tiles.address(row + 5 * tileRows, column, view));
            float x6 = x.get(Tiles.address(row + 6 * tileRows, column, view));
            float x7 = x.get(Tiles.address(row + 7 * tileRows, column, view));
            float d0 = PerValue.activated(x0, inputSlope) - shift;
            float d1 = PerValue.activated(x1, inputSlope) - shift;
            float d2 = PerValue.activated(x2, inputSlope) - shift;
            float d3 = PerValue.activated(x3, inputSlope) - shift;
            float d4 = PerValue.activated(x4, inputSlope) - shift;
            float d5 = PerValue.activated(x5, inputSlope) - shift;
            float d6 = PerValue.activated(x6, inputSlope) - shift;
            float d7 = PerValue.activated(x7, inputSlope) - shift;
            sum += Tiles.sum(d0, d1, d2, d3, d4, d5, d6, d7);
            square += Tiles.sum(d0 * d0, d1 * d1, d2 * d2, d3 * d3, d4 * d4, d5 * d5, d6 * d6, d7 * d7);
            row += Tiles.LOADS * tileRows;
        }
        for (int i = chunks * Tiles.LOADS; i < count; i++) {
            float d = PerValue.activated(x.get(Tiles.address(row, column, view)), inputSlope) - shift;
            sum += d;
            square += d * d;
            row += tileRows;
        }
        if (Tiles.reliability(sum, square, count) < 0) {
            shift = Tiles.betterShift(shift, sum, count);
            sum = 0;
            square = 0;
            row = begin + laneRow;
            for (int i = 0; i < count; i++) {
                float value = PerValue.activated(x.get(Tiles.address(row, column, view)), inputSlope);
                double d = (double) value - shift;
                sum += d;
                square += d * d;
                row += tileRows;
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
            double mean = 0;
            double m2 = 0;
            int n = (end - begin) * span;
            if (n > 0) {
                double featureSum = sums[lane];
                double featureSquare = squares[lane];
                for (int i = 1; i < span; i++) {
                    featureSum += sums[lane + i];
                    featureSquare += squares[lane + i];
                }
                double beyond = featureSum / n;
                mean = common + beyond;
                m2 = featureSquare - featureSum * beyond;
            }
            int at = group * View.features(view) + column / span;
            partialMean.set(at, mean);
            partialM2.set(at, m2);
        }
        Tiles.countRun(context, samples);
    }
}
