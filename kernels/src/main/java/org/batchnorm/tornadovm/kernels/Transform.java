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

    /** {@code adding}: nothing. */
    public static final int NOTHING = 0;

    /** {@code adding}: a residual, before the activation after batch norm. */
    public static final int RESIDUAL = 1;

    /**
     * {@code y = ((x − mean) − meanLow) · (gamma · rstd) + beta} (Ioffe &amp; Szegedy 2015, algorithm 1). The mean is
     * subtracted first and in two parts, so that a large one cancels exactly. Running statistics have no second part,
     * and their rstd is computed here, in float64. x and the means are in a unit, a power of two, that keeps the steps
     * in float32's range where y is; it is 1 for all but extreme features.
     *
     * <p><b>Grid</b> (⌈columns / tileColumns⌉ · tileColumns · tileRows, groups), <b>local</b> (tileColumns · tileRows,
     * 1). <b>Bytes</b>: x read and y written once, 8 · N·C·S, with a residual 12; 20 a work-item for its feature.
     * <b>Backends</b>: needs float64, for a few operations a work-item, no local memory.
     *
     * @param x in, the batch
     * @param residual in, the batch; not read if {@code adding} is {@link #NOTHING}
     * @param y out, the batch; may be x or the residual
     * @param parameters in, (2, C): gamma, beta
     * @param statistics in, (4, C): mean, meanLow, variance, rstd; or, if {@code source} is {@link #RUNNING}, (2, C):
     *     mean, variance
     * @param samples in and out, (2): N, {@link Tiles#countRun}
     * @param source {@link #BATCH}, {@link #RUNNING} or {@link #GRADIENT}
     * @param adding {@link #NOTHING} or {@link #RESIDUAL}
     * @param eps of use with running statistics only
     * @param inputSlope of the activation before, {@link PerValue#activated}
     * @param outputSlope of the activation after
     */
    public static void transform(
            KernelContext context,
            FloatArray x,
            FloatArray residual,
            FloatArray y,
            FloatArray parameters,
            FloatArray statistics,
            IntArray samples,
            long view,
            long tile,
            int source,
            int adding,
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
                float r0 = adding == RESIDUAL ? residual.get(a0) : -0f;
                float r1 = adding == RESIDUAL ? residual.get(a1) : -0f;
                float r2 = adding == RESIDUAL ? residual.get(a2) : -0f;
                float r3 = adding == RESIDUAL ? residual.get(a3) : -0f;
                float r4 = adding == RESIDUAL ? residual.get(a4) : -0f;
                float r5 = adding == RESIDUAL ? residual.get(a5) : -0f;
                float r6 = adding == RESIDUAL ? residual.get(a6) : -0f;
                float r7 = adding == RESIDUAL ? residual.get(a7) : -0f;
                float v0 = PerValue.activated(x0, inputSlope);
                float v1 = PerValue.activated(x1, inputSlope);
                float v2 = PerValue.activated(x2, inputSlope);
                float v3 = PerValue.activated(x3, inputSlope);
                float v4 = PerValue.activated(x4, inputSlope);
                float v5 = PerValue.activated(x5, inputSlope);
                float v6 = PerValue.activated(x6, inputSlope);
                float v7 = PerValue.activated(x7, inputSlope);
                v0 = PerValue.normalized(v0, unit, mean, meanLow, scale, beta);
                v1 = PerValue.normalized(v1, unit, mean, meanLow, scale, beta);
                v2 = PerValue.normalized(v2, unit, mean, meanLow, scale, beta);
                v3 = PerValue.normalized(v3, unit, mean, meanLow, scale, beta);
                v4 = PerValue.normalized(v4, unit, mean, meanLow, scale, beta);
                v5 = PerValue.normalized(v5, unit, mean, meanLow, scale, beta);
                v6 = PerValue.normalized(v6, unit, mean, meanLow, scale, beta);
                v7 = PerValue.normalized(v7, unit, mean, meanLow, scale, beta);
                v0 = adding == RESIDUAL ? v0 + r0 : v0;
                v1 = adding == RESIDUAL ? v1 + r1 : v1;
                v2 = adding == RESIDUAL ? v2 + r2 : v2;
                v3 = adding == RESIDUAL ? v3 + r3 : v3;
                v4 = adding == RESIDUAL ? v4 + r4 : v4;
                v5 = adding == RESIDUAL ? v5 + r5 : v5;
                v6 = adding == RESIDUAL ? v6 + r6 : v6;
                v7 = adding == RESIDUAL ? v7 + r7 : v7;
                y.set(a0, PerValue.activated(v0, outputSlope));
                y.set(a1, PerValue.activated(v1, outputSlope));
                y.set(a2, PerValue.activated(v2, outputSlope));
                y.set(a3, PerValue.activated(v3, outputSlope));
                y.set(a4, PerValue.activated(v4, outputSlope));
                y.set(a5, PerValue.activated(v5, outputSlope));
                y.set(a6, PerValue.activated(v6, outputSlope));
                y.set(a7, PerValue.activated(v7, outputSlope));
                row += Tiles.LOADS * tileRows;
            }
            for (int i = chunks * Tiles.LOADS; i < count; i++) {
                int at = Tiles.address(row, column, view);
                float value = x.get(at);
                float r = adding == RESIDUAL ? residual.get(at) : -0f;
                float v = PerValue.activated(value, inputSlope);
                v = PerValue.normalized(v, unit, mean, meanLow, scale, beta);
                v = adding == RESIDUAL ? v + r : v;
                y.set(at, PerValue.activated(v, outputSlope));
                row += tileRows;
            }
        }
        Tiles.countRun(context, samples);
    }
}
