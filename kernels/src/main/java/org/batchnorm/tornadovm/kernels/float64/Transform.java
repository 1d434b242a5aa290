package org.batchnorm.tornadovm.kernels.float64;

import org.batchnorm.tornadovm.kernels.Tile;
import org.batchnorm.tornadovm.kernels.Tiles;
import org.batchnorm.tornadovm.kernels.View;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** Normalize, scale and shift. */
public final class Transform {
    /** {@code source}: normalize with statistics (4, C). */
    public static final int BATCH = 0;

    /** {@code source}: normalize with running statistics (2, C). */
    public static final int RUNNING = 1;

    /** {@code adding}: nothing. */
    public static final int NOTHING = 0;

    /** {@code adding}: a residual, before the activation after batch norm. */
    public static final int RESIDUAL = 1;

    private Transform() {}

    /**
     * {@code y = ((x − mean) − meanLow) · (gamma · rstd) + beta} (Ioffe &amp; Szegedy 2015, algorithm 1).
     *
     * <p><b>Grid</b> (⌈columns / tileColumns⌉ · tileColumns · tileRows, groups), <b>local</b> (tileColumns · tileRows,
     * 1). <b>Bytes</b>: x read and y written once, 16 · N·C·S, with a residual 24; 40 a work-item for its feature.
     * <b>Backends</b>: no local memory.
     *
     * @param x in, the batch
     * @param residual in, the batch; not read if {@code adding} is {@link #NOTHING}
     * @param y out, the batch; may be x or the residual
     * @param parameters in, (2, C): gamma, beta
     * @param statistics in, (4, C): mean, meanLow, variance, rstd; or, if {@code source} is {@link #RUNNING}, (2, C):
     *     mean, variance
     * @param samples in and out, (2): N, {@link Tiles#countRun}
     * @param source {@link #BATCH} or {@link #RUNNING}
     * @param adding {@link #NOTHING} or {@link #RESIDUAL}
     * @param eps of use with running statistics only
     * @param inputSlope of the activation before
     * @param outputSlope of the activation after
     */
    public static void transform(
            KernelContext context,
            DoubleArray x,
            DoubleArray residual,
            DoubleArray y,
            DoubleArray parameters,
            DoubleArray statistics,
            IntArray samples,
            long view,
            long tile,
            int source,
            int adding,
            double eps,
            double inputSlope,
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
            int features = View.features(view);
            int feature = column / View.span(view);
            double meanLow = 0;
            double rstd = 0;
            if (source == BATCH) {
                meanLow = statistics.get(features + feature);
                rstd = statistics.get(3 * features + feature);
            } else {
                rstd = 1 / TornadoMath.sqrt(statistics.get(features + feature) + eps);
            }
            double mean = statistics.get(feature);
            double unit = Units.ofDistance(mean, rstd);
            mean *= unit;
            meanLow *= unit;
            double scale = parameters.get(feature) * (rstd / unit);
            double beta = parameters.get(features + feature);
            int row = begin + lane / tileColumns;
            int count = Tiles.rowsOfWorkItem(end, row, tile);
            for (int i = 0; i < count; i++) {
                int at = Tiles.address(row, column, view);
                double value = PerValue.activated(x.get(at), inputSlope);
                value = PerValue.normalized(PerValue.distance(value, unit, mean, meanLow), scale, beta);
                if (adding == RESIDUAL) {
                    value += residual.get(at);
                }
                y.set(at, PerValue.activated(value, outputSlope));
                row += tileRows;
            }
        }
        Tiles.countRun(context, samples);
    }
}
