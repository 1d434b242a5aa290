package org.batchnorm.tornadovm.kernels.float64;

import org.batchnorm.tornadovm.kernels.Tile;
import org.batchnorm.tornadovm.kernels.Tiles;
import org.batchnorm.tornadovm.kernels.View;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** First stage of every sum over a batch: each work-group that of its rows. */
public final class Sums {
    /** {@code of}: {@code Σ x}, in a unit that the values lead to. */
    public static final int VALUES = 0;

    /** {@code of}: {@code Σ (x − mean)²}, of {@code centres} that {@link MergeSums} wrote for {@link #VALUES}. */
    public static final int SQUARES = 1;

    /** {@code of}: {@code Σ dy}. */
    public static final int GRADIENTS = 2;

    /**
     * {@code of}: {@code Σ (dy − mean of dy) · x̂}, of {@code centres} that {@link MergeSums} wrote for
     * {@link #GRADIENTS}. Where x̂ adds up to 0 that is {@code Σ dy · x̂}, whatever the mean of dy.
     */
    public static final int PRODUCTS = 3;

    /** {@code of}: {@code Σ dy · x̂}, with statistics that were given. */
    public static final int GIVEN_PRODUCTS = 4;

    /**
     * To be added to {@code of}: y is given and stands in the place of x. With z, what stood before the activation
     * after batch norm, x less its mean is {@code (z − beta) / (gamma · rstd)}.
     */
    public static final int OF_OUTPUT = 8;

    /** The bits of the others. */
    private static final int KINDS = 7;

    private Sums() {}

    /**
     * One sum per feature and work-group over its values, compensated (Knuth's TwoSum); with {@code x̂ = (x − mean) ·
     * rstd} (Ioffe &amp; Szegedy 2015, algorithm 1 and section 3).
     *
     * <p><b>Grid</b> (⌈columns / tileColumns⌉ · tileColumns · tileRows, groups), <b>local</b> (tileColumns · tileRows,
     * 1). <b>Bytes</b>: x read once, 8 · N·C·S, of products dy as well, of gradients dy alone, unless an activation
     * comes after batch norm; partial results written, 24 · groups · C. <b>Local memory</b>: 24 bytes a work-item.
     *
     * @param x in, the batch, or, of {@link #OF_OUTPUT}, y
     * @param dy in, the gradient of the output; read for gradients and products only
     * @param parameters in, (2, C): gamma, beta; read for gradients and products with an activation after batch norm,
     *     or of y
     * @param statistics in, (4, C): mean, meanLow, variance, rstd; read for gradients and products
     * @param centres in, (4, C) and two more, of {@link MergeSums}; read for squares and products
     * @param partials out, (3, groups, C): the sum, what rounding took from it, and its unit
     * @param samples in and out, (2): N, {@link Tiles#countRun}
     * @param of {@link #VALUES}, {@link #SQUARES}, {@link #GRADIENTS}, {@link #PRODUCTS} or {@link #GIVEN_PRODUCTS},
     *     and perhaps {@link #OF_OUTPUT}
     * @param inputSlope of the activation before batch norm; x in the formulas is what it gives. Of y there is none
     * @param outputSlope of the activation after; dy in the formulas is the gradient before it
     */
    public static void sums(
            KernelContext context,
            DoubleArray x,
            DoubleArray dy,
            DoubleArray parameters,
            DoubleArray statistics,
            DoubleArray centres,
            DoubleArray partials,
            IntArray samples,
            long view,
            long tile,
            int of,
            double inputSlope,
            double outputSlope) {
        int kind = of & KINDS;
        int given = of & OF_OUTPUT;
        double undoneSlope = given == OF_OUTPUT ? outputSlope : PerValue.NONE;
        double mappedSlope = given == OF_OUTPUT ? PerValue.NONE : outputSlope;
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

        double[] highs = context.allocateDoubleLocalArray(tileColumns * tileRows);
        double[] lows = context.allocateDoubleLocalArray(tileColumns * tileRows);
        double[] units = context.allocateDoubleLocalArray(tileColumns * tileRows);

        double high = 0;
        double low = 0;
        double unit = 1;
        if (column < columns) {
            int feature = column / span;
            double unitOfX = 1;
            double mean = 0;
            double meanLow = 0;
            double rstd = 1;
            double scale = 1;
            double beta = 0;
            double meanDy = 0;
            double meanDyLow = 0;
            if (kind == SQUARES) {
                mean = centres.get(feature);
                meanLow = centres.get(features + feature);
                unitOfX = centres.get(3 * features + feature);
            }
            if (kind >= GRADIENTS) {
                rstd = statistics.get(3 * features + feature);
                mean = statistics.get(feature);
                unitOfX = Units.ofDistance(mean, rstd);
                rstd = rstd / unitOfX;
                mean *= unitOfX;
                meanLow = statistics.get(features + feature) * unitOfX;
                if (given == OF_OUTPUT) {
                    mean = parameters.get(features + feature);
                    unitOfX = 1 / (parameters.get(feature) * rstd);
                }
                if (mappedSlope != PerValue.NONE) {
                    scale = parameters.get(feature) * rstd;
                    beta = parameters.get(features + feature);
                }
            }
            if (kind == PRODUCTS) {
                double m = centres.get(4 * features);
                double dbeta = centres.get(features + feature);
                double quotient = Tiles.finiteOrZero(dbeta / m);
                double rest = Pairs.restOfQuotient(dbeta, centres.get(2 * features + feature), quotient, m);
                meanDy = Pairs.high(quotient, rest);
                meanDyLow = Pairs.low(quotient, rest);
            }
            // What x is read for, as a number: its activation's slope may be none.
            double slopeOfX = kind == GRADIENTS ? outputSlope : 0;
            int row = begin + laneRow;
            int count = Tiles.rowsOfWorkItem(end, row, tile);
            for (int i = 0; i < count; i++) {
                int at = Tiles.address(row, column, view);
                double value = 0;
                double distance = 0;
                if (slopeOfX != PerValue.NONE) {
                    value = PerValue.undone(PerValue.activated(x.get(at), inputSlope), undoneSlope);
                    distance = given == OF_OUTPUT
                            ? (value - mean) * unitOfX
                            : PerValue.distance(value, unitOfX, mean, meanLow);
                }
                if (kind == VALUES) {
                    double grown = Units.with(unit, value);
                    high *= Units.move(unit, grown);
                    low *= Units.move(unit, grown);
                    unit = grown;
                    value *= unit;
                }
                if (kind == SQUARES) {
                    value = distance * distance;
                }
                if (kind >= GRADIENTS) {
                    double bn = given == OF_OUTPUT ? value : PerValue.normalized(distance, scale, beta);
                    double gradient = PerValue.gradient(dy.get(at), bn, outputSlope);
                    value = kind == GRADIENTS ? gradient : ((gradient - meanDy) - meanDyLow) * (distance * rstd);
                }
                double next = high + value;
                low += Pairs.lost(high, value, next);
                high = next;
                row += tileRows;
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
        context.localBarrier();

        if (laneRow == 0 && laneColumn % span == 0 && column < columns) {
            double featureHigh = highs[lane];
            double featureLow = lows[lane];
            double featureUnit = units[lane];
            for (int i = 1; i < span; i++) {
                double common = Units.common(featureUnit, units[lane + i]);
                double move = Units.move(featureUnit, common);
                double moveOther = Units.move(units[lane + i], common);
                double first = featureHigh * move;
                double second = highs[lane + i] * moveOther;
                featureHigh = first + second;
                featureLow = (featureLow * move + lows[lane + i] * moveOther) + Pairs.lost(first, second, featureHigh);
                featureUnit = common;
            }
            int at = group * features + column / span;
            int apart = Tile.groups(tile) * features;
            partials.set(at, featureHigh);
            partials.set(apart + at, featureLow);
            partials.set(2 * apart + at, featureUnit);
        }
        Tiles.countRun(context, samples);
    }
}
