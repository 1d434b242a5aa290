package org.batchnorm.tornadovm.kernels.float64;

import org.batchnorm.tornadovm.kernels.Tile;
import org.batchnorm.tornadovm.kernels.Tiles;
import org.batchnorm.tornadovm.kernels.View;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** The gradient before the activation behind a residual, which is that by the residual and by BN(x). */
public final class ResidualGradient {
    private ResidualGradient() {}

    /**
     * {@code dresidual = dy · output′(y)} for {@code y = output(BN(x) + residual)}: y has the sign of what the
     * activation was given, and at 0 the derivative is the negative side's.
     *
     * <p><b>Grid</b> (⌈columns / tileColumns⌉ · tileColumns · tileRows, groups), <b>local</b> (tileColumns · tileRows,
     * 1). <b>Bytes</b>: y and dy read and dresidual written once, 24 · N·C·S. <b>Backends</b>: no local memory.
     *
     * @param y in, the output of the forward
     * @param dy in, the gradient by it
     * @param dresidual out, the gradient by the residual; may be y or dy
     * @param samples in and out, (2): N, {@link Tiles#countRun}
     * @param outputSlope of the activation
     */
    public static void residualGradient(
            KernelContext context,
            DoubleArray y,
            DoubleArray dy,
            DoubleArray dresidual,
            IntArray samples,
            long view,
            long tile,
            double outputSlope) {
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
            int row = begin + lane / tileColumns;
            int count = Tiles.rowsOfWorkItem(end, row, tile);
            for (int i = 0; i < count; i++) {
                int at = Tiles.address(row, column, view);
                dresidual.set(at, PerValue.gradient(dy.get(at), y.get(at), outputSlope));
                row += tileRows;
            }
        }
        Tiles.countRun(context, samples);
    }
}
