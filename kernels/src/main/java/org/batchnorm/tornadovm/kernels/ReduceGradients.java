package org.batchnorm.tornadovm.kernels;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** First stage of the parameters' gradients: each work-group the sums over its rows. */
public final class ReduceGradients {
    private ReduceGradients() {}

    /**
     * The sums of Ioffe &amp; Szegedy 2015, section 3, per feature and work-group:
     *
     * <ul>
     *   <li>{@code Σdy};
     *   <li>{@code Σ dy·(x − mean)}, as {@code Σ dy·(x − c) + (c − mean)·Σdy} with a c near the mean for which x − c is
     *       exact.
     * </ul>
     *
     * The products cancel, so they are taken and summed in float64. Of dy four values at a time are summed in float32,
     * and these sums in float64.
     *
     * <p><b>Grid</b> (⌈columns / tileColumns⌉ · tileColumns · tileRows, groups), <b>local</b> (tileColumns · tileRows,
     * 1). <b>Bytes</b>: x and dy read once, 8 · N·C·S; partial results written, 16 · groups · C. <b>Local memory</b>:
     * 16 bytes a work-item.
     *
     * @param x in, the batch that the forward operation got
     * @param dy in, the gradient of its output
     * @param statistics in, (4, C): mean, meanLow, variance, rstd
     * @param partialDy out, (groups, C)
     * @param partialDyX out, (groups, C)
     * @param samples in and out, (2): N, {@link Tiles#countRun}
     */
    public static void reduceGradients(
            KernelContext context,
            FloatArray x,
            FloatArray dy,
            FloatArray statistics,
            DoubleArray partialDy,
            DoubleArray partialDyX,
            IntArray samples,
            int rowsPerSample,
            int columns,
            int spatial,
            int span,
            int tileColumns,
            int tileRows,
            int groups) {
        int lane = context.localIdx;
        int laneColumn = lane % tileColumns;
        int laneRow = lane / tileColumns;
        int group = context.groupIdy;
        int column = context.groupIdx * tileColumns + laneColumn;
        int features = columns / span;
        int rows = samples.get(0) * rowsPerSample;
        int share = Tiles.rowsPerGroup(rows, groups, tileRows);
        int begin = TornadoMath.min(group * share, rows);
        int end = TornadoMath.min(begin + share, rows);

        double[] sums = context.allocateDoubleLocalArray(tileColumns * tileRows);
        double[] products = context.allocateDoubleLocalArray(tileColumns * tileRows);

        double sum = 0;
        double product = 0;
        if (column < columns) {
            float mean = statistics.get(column / span);
            float centre = PerFeature.centre(
                    mean, statistics.get(2 * features + column / span), statistics.get(3 * features + column / span));
            int row = begin + laneRow;
            int count = Tiles.rowsOfWorkItem(end, row, tileRows);
            int chunks = count / (Tiles.LOADS / 2);
            for (int i = 0; i < chunks; i++) {
                int a0 = Tiles.address(row, column, columns, spatial);
                int a1 = Tiles.address(row + tileRows, column, columns, spatial);
                int a2 = Tiles.address(row + 2 * tileRows, column, columns, spatial);
                int a3 = Tiles.address(row + 3 * tileRows, column, columns, spatial);
                float g0 = dy.get(a0);
                float g1 = dy.get(a1);
                float g2 = dy.get(a2);
                float g3 = dy.get(a3);
                float d0 = x.get(a0) - centre;
                float d1 = x.get(a1) - centre;
                float d2 = x.get(a2) - centre;
                float d3 = x.get(a3) - centre;
                sum += (g0 + g1) + (g2 + g3);
                product += ((double) g0 * d0 + (double) g1 * d1) + ((double) g2 * d2 + (double) g3 * d3);
                row += Tiles.LOADS / 2 * tileRows;
            }
            for (int i = chunks * (Tiles.LOADS / 2); i < count; i++) {
                int at = Tiles.address(row, column, columns, spatial);
                float g = dy.get(at);
                sum += g;
                product += (double) g * (x.get(at) - centre);
                row += tileRows;
            }
            double beyond = ((double) centre - mean) - statistics.get(features + column / span);
            product += Tiles.finiteOrZero(beyond * sum);
        }
        sums[lane] = sum;
        products[lane] = product;
        for (int active = tileRows; active > 1; active = (active + 1) / 2) {
            int half = (active + 1) / 2;
            context.localBarrier();
            if (laneRow < active - half) {
                sums[lane] += sums[lane + half * tileColumns];
                products[lane] += products[lane + half * tileColumns];
            }
        }
        context.localBarrier();

        if (laneRow == 0 && laneColumn % span == 0 && column < columns) {
            double featureSum = sums[lane];
            double featureProduct = products[lane];
            for (int i = 1; i < span; i++) {
                featureSum += sums[lane + i];
                featureProduct += products[lane + i];
            }
            int at = group * features + column / span;
            partialDy.set(at, featureSum);
            partialDyX.set(at, featureProduct);
        }
        Tiles.countRun(context, samples);
    }
}
