package org.batchnorm.tornadovm.kernels.float64;

import org.batchnorm.tornadovm.kernels.Tile;
import org.batchnorm.tornadovm.kernels.Tiles;
import org.batchnorm.tornadovm.kernels.View;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** The gradient of the input. */
public final class InputGradient {
    /** {@code about}: the statistics are those of the batch. */
    public static final int BATCH = 0;

    /** {@code about}: the statistics were given. */
    public static final int GIVEN = 1;

    private InputGradient() {}

    /**
     * Through the batch's statistics: {@code dx = gamma·rstd · (dy − dbeta/m − (x − mean) · rstd·dgamma/m)}, which is
     * {@code gamma·rstd/m · (m·dy − dbeta − x̂·dgamma)} with x̂ = (x − mean) · rstd (Ioffe &amp; Szegedy 2015, section
     * 3); with given ones {@code dx = gamma·rstd · dy}.
     *
     * <p><b>Grid</b> (⌈columns / tileColumns⌉ · tileColumns · tileRows, groups), <b>local</b> (tileColumns · tileRows,
     * 1). <b>Bytes</b>: x and dy read and dx written once, 24 · N·C·S; with given statistics and without activations x
     * is not read. 56 a work-item for its feature, of y 64. <b>Backends</b>: no local memory.
     *
     * @param x in, the batch that the forward operation got, or, of {@link Sums#OF_OUTPUT}, what it gave
     * @param dy in, the gradient of its output
     * @param dx out, the gradient of its input; may be x or dy
     * @param parameters in, (2, C): gamma, beta; read about given statistics, with an activation after batch norm, and
     *     of y
     * @param statistics in, (4, C): mean, meanLow, variance, rstd
     * @param terms in, (4, C), of {@link MergedGradients}; not read about given statistics
     * @param samples in and out, (2): N, {@link Tiles#countRun}
     * @param about {@link #BATCH} or {@link #GIVEN}, and perhaps {@link Sums#OF_OUTPUT}, added up
     * @param inputSlope of the activation before; x in the formulas is what it gives. Of y there is none
     * @param outputSlope of the activation after; dy in the formulas is the gradient before it
     */
    public static void inputGradient(
            KernelContext context,
            DoubleArray x,
            DoubleArray dy,
            DoubleArray dx,
            DoubleArray parameters,
            DoubleArray statistics,
            DoubleArray terms,
            IntArray samples,
            long view,
            long tile,
            int about,
            double inputSlope,
            double outputSlope) {
        int statisticsOf = about & GIVEN;
        int given = about & Sums.OF_OUTPUT;
        double undoneSlope = given == Sums.OF_OUTPUT ? outputSlope : PerValue.NONE;
        double mappedSlope = given == Sums.OF_OUTPUT ? PerValue.NONE : outputSlope;
        int columns = View.columns(view);
        int tileColumns = Tile.columns(tile);
        int tileRows = Tile.rows(tile);
        int lane = context.localIdx;
        int column = context.groupIdx * tileColumns + lane % tileColumns;
        int rows = samples.get(0) * View.rowsPerSample(view);
        int share = Tiles.rowsPerGroup(rows, tile);
        int begin = TornadoMath.min(context.groupIdy * share, rows);
        int end = TornadoMath.min(begin + share, rows);
        if (column < columns) {
            int features = View.features(view);
            int feature = column / View.span(view);
            double rstd = statistics.get(3 * features + feature);
            double mean = statistics.get(feature);
            double unit = Units.ofDistance(mean, rstd);
            mean *= unit;
            double meanLow = statistics.get(features + feature) * unit;
            double factor = 0;
            double meanDy = 0;
            double meanDyLow = 0;
            double slope = 0;
            if (statisticsOf == BATCH) {
                factor = terms.get(feature);
                meanDy = terms.get(features + feature);
                meanDyLow = terms.get(2 * features + feature);
                slope = terms.get(3 * features + feature);
            } else {
                factor = parameters.get(feature) * rstd;
            }
            double scale = 1;
            double beta = 0;
            if (mappedSlope != PerValue.NONE) {
                // As Transform has them.
                scale = parameters.get(feature) * (rstd / unit);
                beta = parameters.get(features + feature);
            }
            if (given == Sums.OF_OUTPUT) {
                mean = parameters.get(features + feature);
                unit = 1 / (parameters.get(feature) * (rstd / unit));
            }
            // What x is read for, as a number: none if that is none's slope.
            double slopes = inputSlope == PerValue.NONE ? outputSlope : 0;
            double slopeOfX = statisticsOf == BATCH ? 0 : slopes;
            int row = begin + lane / tileColumns;
            int count = Tiles.rowsOfWorkItem(end, row, tile);
            for (int i = 0; i < count; i++) {
                int at = Tiles.address(row, column, view);
                double gradient = dy.get(at);
                double value = 0;
                double distance = 0;
                if (slopeOfX != PerValue.NONE) {
                    value = x.get(at);
                    double seen = PerValue.undone(PerValue.activated(value, inputSlope), undoneSlope);
                    distance = given == Sums.OF_OUTPUT
                            ? (seen - mean) * unit
                            : PerValue.distance(seen, unit, mean, meanLow);
                }
                // The sign of y is that of what stood before the activation.
                double bn = given == Sums.OF_OUTPUT ? value : PerValue.normalized(distance, scale, beta);
                gradient = PerValue.gradient(gradient, bn, outputSlope);
                if (statisticsOf == BATCH) {
                    gradient = ((gradient - meanDy) - meanDyLow) - distance * slope;
                }
                dx.set(at, PerValue.gradient(gradient * factor, value, inputSlope));
                row += tileRows;
            }
        }
        Tiles.countRun(context, samples);
    }
}
