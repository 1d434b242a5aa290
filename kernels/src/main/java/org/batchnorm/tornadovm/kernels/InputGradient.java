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
     * <p>With y in the place of x, {@code x − mean} is {@code (z − beta) / (gamma·rstd)}, z being what stood before the
     * activation after batch norm, and the sign of that is z's (Rota Bulò, Porzi &amp; Kontschieder 2018).
     *
     * <p><b>Grid</b> (⌈columns / tileColumns⌉ · tileColumns · tileRows, groups), <b>local</b> (tileColumns · tileRows,
     * 1). <b>Bytes</b>: x and dy read and dx written once, 12 · N·C·S; 32 a work-item for its feature, 36 where y is
     * given. <b>Backends</b>: needs neither float64 nor local memory.
     *
     * @param x in, the batch that the forward operation got, or what it gave
     * @param dy in, the gradient of its output
     * @param dx out, the gradient of its input; may be x or dy
     * @param parameters in, (2, C): gamma, beta; read about given statistics, with an activation after batch norm, and
     *     where y is given
     * @param statistics in, (4, C): mean, meanLow, variance, rstd
     * @param terms in, (6, C), of {@link MergeGradients}; not read about given statistics
     * @param samples in and out, (2): N, {@link Tiles#countRun}
     * @param about {@link ReduceGradients#BATCH}, or {@link ReduceGradients#GIVEN} for what stands between activations
     *     where statistics are given, {@code dx = gamma·rstd · dy}; and {@link ReduceGradients#INPUT} or
     *     {@link ReduceGradients#OUTPUT}, added up
     * @param inputSlope of the activation before, {@link PerValue#activated}; x in the formulas is what it gives. Where
     *     y is given there is none
     * @param outputSlope of the activation after; dy in the formulas is the gradient before it
     */
    public static void inputGradient(
            KernelContext context,
            FloatArray x,
            FloatArray dy,
            FloatArray dx,
            FloatArray parameters,
            FloatArray statistics,
            FloatArray terms,
            IntArray samples,
            long view,
            long tile,
            int about,
            float inputSlope,
            float outputSlope) {
        int statisticsOf = about & ReduceGradients.ABOUT;
        int given = about & ReduceGradients.OUTPUT;
        float undoneSlope = given == ReduceGradients.OUTPUT ? outputSlope : PerValue.NONE;
        float mappedSlope = given == ReduceGradients.OUTPUT ? PerValue.NONE : outputSlope;
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
            float scale = 0f;
            float unitOfDy = 1f;
            float meanDy = 0f;
            float meanDyLow = 0f;
            float slope = 0f;
            float unitOfX = 1f;
            float mean = 0f;
            float meanLow = 0f;
            if (statisticsOf == ReduceGradients.GIVEN) {
                double factor = parameters.get(feature) * (double) statistics.get(3 * features + feature);
                unitOfDy = PerFeature.unit(0, factor, PerFeature.FAR_FROM_ONE);
                scale = (float) (factor / unitOfDy);
            } else {
                scale = terms.get(feature);
                unitOfDy = terms.get(features + feature);
                meanDy = terms.get(2 * features + feature);
                meanDyLow = terms.get(3 * features + feature);
                slope = terms.get(4 * features + feature);
                unitOfX = terms.get(5 * features + feature);
                mean = statistics.get(feature) * unitOfX;
                meanLow = statistics.get(features + feature) * unitOfX;
                if (given == ReduceGradients.OUTPUT) {
                    double factor = parameters.get(feature) * (double) statistics.get(3 * features + feature);
                    mean = parameters.get(features + feature);
                    meanLow = 0f;
                    unitOfX = (float) (unitOfX / factor);
                }
            }
            float outUnit = 1f;
            float outMean = 0f;
            float outMeanLow = 0f;
            float outScale = 1f;
            // Without a map of x it is the identity, as -0 adds nothing to any value.
            float beta = -0f;
            if (mappedSlope != PerValue.NONE) {
                // As Transform has them.
                double factor = parameters.get(feature) * (double) statistics.get(3 * features + feature);
                outUnit = PerFeature.unit(statistics.get(feature), factor, PerFeature.FAR_FROM_ONE);
                outMean = statistics.get(feature) * outUnit;
                outMeanLow = statistics.get(features + feature) * outUnit;
                outScale = (float) (factor / outUnit);
                beta = parameters.get(features + feature);
            }
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
                float v0 = PerValue.undone(PerValue.activated(x0, inputSlope), undoneSlope);
                float v1 = PerValue.undone(PerValue.activated(x1, inputSlope), undoneSlope);
                float v2 = PerValue.undone(PerValue.activated(x2, inputSlope), undoneSlope);
                float v3 = PerValue.undone(PerValue.activated(x3, inputSlope), undoneSlope);
                g0 = PerValue.beforeOutput(g0, v0, outUnit, outMean, outMeanLow, outScale, beta, outputSlope);
                g1 = PerValue.beforeOutput(g1, v1, outUnit, outMean, outMeanLow, outScale, beta, outputSlope);
                g2 = PerValue.beforeOutput(g2, v2, outUnit, outMean, outMeanLow, outScale, beta, outputSlope);
                g3 = PerValue.beforeOutput(g3, v3, outUnit, outMean, outMeanLow, outScale, beta, outputSlope);
                float u0 = (g0 * unitOfDy - meanDy) - meanDyLow;
                float u1 = (g1 * unitOfDy - meanDy) - meanDyLow;
                float u2 = (g2 * unitOfDy - meanDy) - meanDyLow;
                float u3 = (g3 * unitOfDy - meanDy) - meanDyLow;
                float w0 = PerValue.distance(v0, unitOfX, mean, given) - meanLow;
                float w1 = PerValue.distance(v1, unitOfX, mean, given) - meanLow;
                float w2 = PerValue.distance(v2, unitOfX, mean, given) - meanLow;
                float w3 = PerValue.distance(v3, unitOfX, mean, given) - meanLow;
                float r0 = scale * (statisticsOf == ReduceGradients.GIVEN ? u0 : u0 - w0 * slope);
                float r1 = scale * (statisticsOf == ReduceGradients.GIVEN ? u1 : u1 - w1 * slope);
                float r2 = scale * (statisticsOf == ReduceGradients.GIVEN ? u2 : u2 - w2 * slope);
                float r3 = scale * (statisticsOf == ReduceGradients.GIVEN ? u3 : u3 - w3 * slope);
                dx.set(a0, PerValue.gradient(r0, x0, inputSlope));
                dx.set(a1, PerValue.gradient(r1, x1, inputSlope));
                dx.set(a2, PerValue.gradient(r2, x2, inputSlope));
                dx.set(a3, PerValue.gradient(r3, x3, inputSlope));
                row += Tiles.LOADS / 2 * tileRows;
            }
            for (int i = chunks * (Tiles.LOADS / 2); i < count; i++) {
                int at = Tiles.address(row, column, view);
                float g = dy.get(at);
                float x0 = x.get(at);
                float v0 = PerValue.undone(PerValue.activated(x0, inputSlope), undoneSlope);
                g = PerValue.beforeOutput(g, v0, outUnit, outMean, outMeanLow, outScale, beta, outputSlope);
                float u = (g * unitOfDy - meanDy) - meanDyLow;
                float w = PerValue.distance(v0, unitOfX, mean, given) - meanLow;
                float r = scale * (statisticsOf == ReduceGradients.GIVEN ? u : u - w * slope);
                dx.set(at, PerValue.gradient(r, x0, inputSlope));
                row += tileRows;
            }
        }
        Tiles.countRun(context, samples);
    }
}
