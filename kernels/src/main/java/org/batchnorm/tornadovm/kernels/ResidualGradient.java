package org.batchnorm.tornadovm.kernels;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** The gradient before the activation behind a residual, which is that by the residual and by BN(x). */
public final class ResidualGradient {
    private ResidualGradient() {}

    /**
     * {@code dresidual = dy · output′(y)} for {@code y = output(BN(x) + residual)}: y has the sign of what the
     * activation was given, and at 0 the derivative is the negative side's.
     *
     * <p>Source: the chain rule through the last addition and activation of a residual block, {@code y = relu(F(x) +
     * x)} (He, Zhang, Ren &amp; Sun 2016, "Deep Residual Learning for Image Recognition", equation 1); the sign is that
     * of y, as in PyTorch's {@code threshold_backward}.
     *
     * <p><b>Grid</b> (⌈columns / tileColumns⌉ · tileColumns · tileRows, groups), <b>local</b> (tileColumns · tileRows,
     * 1). <b>Bytes</b>: y and dy read and dresidual written once, 12 · N·C·S. <b>Backends</b>: needs neither float64
     * nor local memory.
     *
     * @param y in, the output of the forward
     * @param dy in, the gradient by it
     * @param dresidual out, the gradient by the residual; may be y or dy
     * @param samples in and out, (2): N, {@link Tiles#countRun}
     * @param outputSlope of the activation, {@link PerValue#activated}
     */
    public static void residualGradient(
            KernelContext context,
            FloatArray y,
            FloatArray dy,
            FloatArray dresidual,
            IntArray samples,
            long view,
            long tile,
            float outputSlope) {
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
                float y0 = y.get(a0);
                float y1 = y.get(a1);
                float y2 = y.get(a2);
                float y3 = y.get(a3);
                dresidual.set(a0, PerValue.gradient(g0, y0, outputSlope));
                dresidual.set(a1, PerValue.gradient(g1, y1, outputSlope));
                dresidual.set(a2, PerValue.gradient(g2, y2, outputSlope));
                dresidual.set(a3, PerValue.gradient(g3, y3, outputSlope));
                row += Tiles.LOADS / 2 * tileRows;
            }
            for (int i = chunks * (Tiles.LOADS / 2); i < count; i++) {
                int at = Tiles.address(row, column, view);
                float g = dy.get(at);
                dresidual.set(at, PerValue.gradient(g, y.get(at), outputSlope));
                row += tileRows;
            }
        }
        Tiles.countRun(context, samples);
    }
}
