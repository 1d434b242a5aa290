package org.batchnorm.tornadovm.kernels.float64;

import org.batchnorm.tornadovm.kernels.Tile;
import org.batchnorm.tornadovm.kernels.Tiles;
import org.batchnorm.tornadovm.kernels.View;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** Second stage of every sum over a batch: that of the work-groups' sums. */
public final class MergeSums {
    /**
     * {@code of}: {@link Sums#PRODUCTS} of a part of a batch, whose own mean is known. About the mean of dy the
     * products lack {@code meanOfDy · Σ x̂}, which is {@code dbeta · (meanOfPart − mean) · rstd}.
     */
    public static final int PRODUCTS_OF_PART = 5;

    private MergeSums() {}

    /**
     * Per feature over all groups, in pairs. Each {@code of} writes its rows of one array, from which the next
     * {@link Sums} take their centres:
     *
     * <table>
     *   <caption>Rows of C values; behind them m, and one that is not used</caption>
     *   <tr><th>of</th><th>written</th></tr>
     *   <tr><td>{@link Sums#VALUES}</td><td>mean, meanLow, in the unit; the unit as row 3; m</td></tr>
     *   <tr><td>{@link Sums#SQUARES}</td><td>m2, in the unit's square, as row 2</td></tr>
     *   <tr><td>{@link Sums#GRADIENTS}</td><td>dbeta and what rounding took from it as rows 1 and 2; m</td></tr>
     *   <tr><td>products of any kind</td><td>dgamma as row 0</td></tr>
     * </table>
     *
     * <p><b>Grid</b> (⌈C / tileColumns⌉ · tileColumns · tileRows), <b>local</b> (tileColumns · tileRows). <b>Bytes</b>:
     * partial results read once, 24 · groups · C; 8 to 24 · C written. <b>Local memory</b>: 24 bytes a work-item.
     *
     * @param partials in, (3, groups, C), of {@link Sums}
     * @param statistics in, (4, C): mean, meanLow, variance, rstd; read for {@link #PRODUCTS_OF_PART}
     * @param moments in, (4, C) and two more: mean, meanLow, m2 and unit of the part; read for
     *     {@link #PRODUCTS_OF_PART}
     * @param merged in and out, (4, C) and two more
     * @param samples in and out, (2): N, {@link Tiles#countRun}
     * @param tile of {@link Sums}
     * @param mergeTile its columns are features, and its rows work-items that share a feature's groups
     * @param of as of {@link Sums}, or {@link #PRODUCTS_OF_PART}
     */
    public static void mergeSums(
            KernelContext context,
            DoubleArray partials,
            DoubleArray statistics,
            DoubleArray moments,
            DoubleArray merged,
            IntArray samples,
            long view,
            long tile,
            long mergeTile,
            int of) {
        int features = View.features(view);
        int groups = Tile.groups(tile);
        int tileColumns = Tile.columns(mergeTile);
        int tileRows = Tile.rows(mergeTile);
        int lane = context.localIdx;
        int laneRow = lane / tileColumns;
        int feature = context.groupIdx * tileColumns + lane % tileColumns;
        int apart = groups * features;

        double[] highs = context.allocateDoubleLocalArray(tileColumns * tileRows);
        double[] lows = context.allocateDoubleLocalArray(tileColumns * tileRows);
        double[] units = context.allocateDoubleLocalArray(tileColumns * tileRows);

        double high = 0;
        double low = 0;
        double unit = 1;
        if (feature < features) {
            for (int group = laneRow; group < groups; group += tileRows) {
                int at = group * features + feature;
                double unitOfGroup = partials.get(2 * apart + at);
                double common = Units.common(unit, unitOfGroup);
                double move = Units.move(unit, common);
                double moveGroup = Units.move(unitOfGroup, common);
                double first = high * move;
                double second = partials.get(at) * moveGroup;
                high = first + second;
                low = (low * move + partials.get(apart + at) * moveGroup) + Pairs.lost(first, second, high);
                unit = common;
            }
        }
        highs[lane] = high;
        lows[lane] = low;
        units[lane] = unit;
        for (int active = tileRows; active > 1; active = (active + 1) / 2) {
            int half = (active + 1) / 2;
            context.localBarrier();
            if (laneRow < active - half) {
                int other = lane + half * tileColumns;
                double common = Units.common(units[lane], units[other]);
                double move = Units.move(units[lane], common);
                double moveOther = Units.move(units[other], common);
                double first = highs[lane] * move;
                double second = highs[other] * moveOther;
                double sum = first + second;
                lows[lane] = (lows[lane] * move + lows[other] * moveOther) + Pairs.lost(first, second, sum);
                highs[lane] = sum;
                units[lane] = common;
            }
        }

        if (laneRow == 0 && feature < features) {
            double m = (double) samples.get(0) * View.rowsPerSample(view) * View.span(view);
            double wholeHigh = Pairs.high(highs[lane], lows[lane]);
            double wholeLow = Pairs.low(highs[lane], lows[lane]);
            if (of == Sums.VALUES) {
                double quotient = m > 0 ? wholeHigh / m : 0;
                double rest = Pairs.restOfQuotient(wholeHigh, wholeLow, quotient, m);
                merged.set(feature, Pairs.high(quotient, rest));
                merged.set(features + feature, Pairs.low(quotient, rest));
                merged.set(3 * features + feature, units[lane]);
            }
            if (of == Sums.SQUARES) {
                merged.set(2 * features + feature, wholeHigh);
            }
            if (of == Sums.GRADIENTS) {
                merged.set(features + feature, wholeHigh);
                merged.set(2 * features + feature, wholeLow);
            }
            if (of >= Sums.PRODUCTS) {
                double dgamma = wholeHigh;
                if (of == PRODUCTS_OF_PART) {
                    double unitOfPart = moments.get(3 * features + feature);
                    double distance = (moments.get(feature) - statistics.get(feature) * unitOfPart)
                            + (moments.get(features + feature) - statistics.get(features + feature) * unitOfPart);
                    double rstd = statistics.get(3 * features + feature) / unitOfPart;
                    double move = merged.get(features + feature) * (distance * rstd);
                    dgamma += Tiles.finiteOrZero(move);
                }
                merged.set(feature, dgamma);
            }
            if (feature == 0) {
                merged.set(4 * features, m);
            }
        }
        Tiles.countRun(context, samples);
    }
}
