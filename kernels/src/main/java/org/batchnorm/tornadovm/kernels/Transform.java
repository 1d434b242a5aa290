package org.batchnorm.tornadovm.kernels;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** Normalize, scale and shift. */
public final class Transform {
    private Transform() {}

    /** {@code source}: normalize with statistics (4, C) of a batch. */
    public static final int BATCH = 0;

    /** {@code source}: normalize with running statistics (2, C). */
    public static final int RUNNING = 1;

    /** {@code source}: scale only, with statistics (4, C); past frozen statistics that makes dx of dy. */
    public static final int GRADIENT = 2;

    /**
     * {@code y = ((x − mean) − meanLow) · (gamma · rstd) + beta} (Ioffe &amp; Szegedy 2015, algorithm 1). The mean is
     * subtracted first and in two parts, so that a large one cancels exactly. Running statistics have no second part,
     * and their rstd is computed here, in float64. x and the means are in a unit, a power of two, that keeps the steps
     * in float32's range where y is; it is 1 for all but extreme features.
     *
     * <p><b>Grid</b> (⌈columns / tileColumns⌉ · tileColumns · tileRows, groups), <b>local</b> (tileColumns · tileRows,
     * 1). <b>Bytes</b>: x read and y written once, 8 · N·C·S; 20 a work-item for its feature. <b>Backends</b>: needs
     * float64, for a few operations a work-item, no local memory.
     *
     * @param x in, the batch
     * @param y out, the batch; may be x
     * @param parameters in, (2, C): gamma, beta
     * @param statistics in, (4, C): mean, meanLow, variance, rstd; or, if {@code source} is {@link #RUNNING}, (2, C):
     *     mean, variance
     * @param samples in and out, (2): N, {@link Tiles#countRun}
     * @param eps of use with running statistics only
     * @param inputSlope of the activation before, {@link PerValue#activated}
     * @param outputSlope of the activation after
     */
    public static void transform(
            KernelContext context,
            FloatArray x,
            FloatArray y,
            FloatArray parameters,
            FloatArray statistics,
            IntArray samples,
            long view,
            long tile,
            int source,
            double eps,
            float inputSlope,
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
            int features = View.features(view);
            int feature = column / View.span(view);
            float mean = 0f;
            float meanLow = 0f;
            // What adds nothing to any value: of sums with 0, that of two -0 would be another one.
            float beta = -0f;
            if (source != GRADIENT) {
                mean = statistics.get(feature);
                beta = parameters.get(features + feature);
            }
            if (source == BATCH) {
                meanLow = statistics.get(features + feature);
            }
            double rstd = source == RUNNING
                    ? 1 / TornadoMath.sqrt(statistics.get(features + feature) + eps)
                    : statistics.get(3 * features + feature);
            double factor = parameters.get(feature) * rstd;
            float unit = PerFeature.unit(mean, factor, PerFeature.FAR_FROM_ONE);
            if (source != GRADIENT) {
                mean *= unit;
                meanLow *= unit;
            }
            float scale = (float) (factor / unit);
            int row = begin + lane / tileColumns;
            int count = Tiles.rowsOfWorkItem(end, row, tile);
            int chunks = count / Tiles.LOADS;
            for (int i = 0; i < chunks; i++) {
                int a0 = Tiles.address(row, column, view);
                int a1 = Tiles.address(row + tileRows, column, view);
                int a2 = Tiles.address(row + 2 * tileRows, column, view);
                int a3 = Tiles.address(row + 3 * tileRows, column, view);
                int a4 = Tiles.address(row + 4 * tileRows, column, view);
                int a5 = Tiles.address(row + 5 * tileRows, column, view);
                int a6 = Tiles.address(row + 6 * tileRows, column, view);
                int a7 = Tiles.address(row + 7 * tileRows, column, view);
                float x0 = x.get(a0);
                float x1 = x.get(a1);
                float x2 = x.get(a2);
                float x3 = x.get(a3);
                float x4 = x.get(a4);
                float x5 = x.get(a5);
                float x6 = x.get(a6);
                float x7 = x.get(a7);
                y.set(a0, mapped(x0, unit, mean, meanLow, scale, beta, inputSlope, outputSlope));
                y.set(a1, mapped(x1, unit, mean, meanLow, scale, beta, inputSlope, outputSlope));
                y.set(a2, mapped(x2, unit, mean, meanLow, scale, beta, inputSlope, outputSlope));
                y.set(a3, mapped(x3, unit, mean, meanLow, scale, beta, inputSlope, outputSlope));
                y.set(a4, mapped(x4, unit, mean, meanLow, scale, beta, inputSlope, outputSlope));
                y.set(a5, mapped(x5, unit, mean, meanLow, scale, beta, inputSlope, outputSlope));
                y.set(a6, mapped(x6, unit, mean, meanLow, scale, beta, inputSlope, outputSlope));
                y.set(a7, mapped(x7, unit, mean, meanLow, scale, beta, inputSlope, outputSlope));
                row += Tiles.LOADS * tileRows;
            }
            for (int i = chunks * Tiles.LOADS; i < count; i++) {
                int at = Tiles.address(row, column, view);
                y.set(at, mapped(x.get(at), unit, mean, meanLow, scale, beta, inputSlope, outputSlope));
                row += tileRows;
            }
        }
        Tiles.countRun(context, samples);
    }

    /** {@code output(BN(input(value)))}. */
    static float mapped(
            float value,
            float unit,
            float mean,
            float meanLow,
            float scale,
            float beta,
            float inputSlope,
            float outputSlope) {
        float input = PerValue.activated(value, inputSlope);
        return PerValue.activated(PerValue.normalized(input, unit, mean, meanLow, scale, beta), outputSlope);
    }
}
