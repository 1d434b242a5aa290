package org.batchnorm.tornadovm.kernels;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** The gradient of the input. */
public final class InputGradient {
    private InputGradient() {}

    /**
     * Through the batch's statistics: {@code dx = gamma·rstd · (dy − dbeta/m − (x − mean) · rstd·dgamma/m)}, which is
     * {@code gamma·rstd/m · (m·dy − dbeta − x̂·dgamma)} with x̂ = (x − mean) · rstd (Ioffe &amp; Szegedy 2015, section
     * 3).
     *
     * <p><b>Grid</b> (⌈columns / tileColumns⌉ · tileColumns · tileRows, groups), <b>local</b> (tileColumns · tileRows,
     * 1). <b>Bytes</b>: x and dy read and dx written once, 12 · N·C·S; 32 a work-item for its feature. <b>Backends</b>:
     * needs neither float64 nor local memory.
     *
     * @param x in, the batch that the forward operation got
     * @param dy in, the gradient of its output
     * @param dx out, the gradient of its input; may be x or dy
     * @param statistics in, (4, C): mean, meanLow, variance, rstd
     * @param terms in, (6, C), of {@link MergeGradients}
     * @param samples in and out, (2): N, {@link Tiles#countRun}
     */
    public static void inputGradient(
            KernelContext context,
            FloatArray x,
            FloatArray dy,
            FloatArray dx,
            FloatArray statistics,
            FloatArray terms,
            IntArray samples,
            long view,
            long tile) {
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
            float scale = terms.get(feature);
            float unitOfDy = terms.get(features + feature);
            float meanDy = terms.get(2 * features + feature);
            float meanDyLow = terms.get(3 * features + feature);
            float slope = terms.get(4 * features + feature);
            float unitOfX = terms.get(5 * features + feature);
            float mean = statistics.get(feature) * unitOfX;
            float meanLow = statistics.get(features + feature) * unitOfX;
            int row = begin + lane / tileColumns;
            int count = Tiles.rowsOfWorkItem(end, row, tile);
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
                float x0 = x.get(a0);
                float x1 = x.get(a1);
                float x2 = x.get(a2);
                float x3 = x.get(a3);
                dx.set(
                        a0,
                        scale * (((g0 * unitOfDy - meanDy) - meanDyLow) - ((x0 * unitOfX - mean) - meanLow) * slope));
                dx.set(
                        a1,
                        scale * (((g1 * unitOfDy - meanDy) - meanDyLow) - ((x1 * unitOfX - mean) - meanLow) * slope));
                dx.set(
                        a2,
                        scale * (((g2 * unitOfDy - meanDy) - meanDyLow) - ((x2 * unitOfX - mean) - meanLow) * slope));
                dx.set(
                        a3,
                        scale * (((g3 * unitOfDy - meanDy) - meanDyLow) - ((x3 * unitOfX - mean) - meanLow) * slope));
                row += Tiles.LOADS / 2 * tileRows;
            }
            for (int i = chunks * (Tiles.LOADS / 2); i < count; i++) {
                int at = Tiles.address(row, column, view);
                float g = dy.get(at) * unitOfDy - meanDy;
                float d = x.get(at) * unitOfX - mean;
                dx.set(at, scale * ((g - meanDyLow) - (d - meanLow) * slope));
                row += tileRows;
            }
        }
        Tiles.countRun(context, samples);
    }
}
