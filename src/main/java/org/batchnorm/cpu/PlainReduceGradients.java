package org.batchnorm.cpu;

import java.util.Arrays;

/**
 * What {@link VectorReduceGradients} computes, bit for bit, without the Vector API: for the columns that fill no vector, and for all of them until the vector loops are compiled. Works on pieces that
 * are copied into a {@link Tile}.
 */
class PlainReduceGradients extends ScalarReduceGradients {
    private static final int LANES = VectorLanes.COUNT;

    @Override
    final void addTwo(
            float[] x0,
            float[] dy0,
            float[] x1,
            float[] dy1,
            float[] centre,
            float[] sum,
            float[] product,
            int length) {
        for (int j = 0; j < length; j++) {
            float m = centre[j];
            sum[j] += dy0[j] + dy1[j];
            product[j] += Math.fma(x1[j] - m, dy1[j], (x0[j] - m) * dy0[j]);
        }
    }

    @Override
    final void addOne(float[] x, float[] dy, float[] centre, float[] sum, float[] product, int length) {
        for (int j = 0; j < length; j++) {
            sum[j] += dy[j];
            product[j] = Math.fma(x[j] - centre[j], dy[j], product[j]);
        }
    }

    @Override
    public void runs(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            int images,
            long imageApart,
            int from,
            int to,
            long channelApart,
            int length,
            float[] centre,
            double[] sum,
            double[] product) {
        Tile tile = Tile.current();
        for (int c = from; c < to; c++) {
            long run = (c - from) * channelApart;
            int i = 0;
            for (; i + 1 < images; i += 2) {
                long image = run + i * imageApart;
                twoRuns(x, xStart + image, dy, dyStart + image, imageApart, length, centre[c], sum, product, c, tile);
            }
            if (i < images) {
                long image = run + i * imageApart;
                int half = length / 2;
                twoRuns(x, xStart + image, dy, dyStart + image, half, half, centre[c], sum, product, c, tile);
                for (int j = 2 * half; j < length; j++) {
                    double gradient = Memory.get(dy, dyStart + image + j);
                    sum[c] += gradient;
                    product[c] += gradient * (Memory.get(x, xStart + image + j) - centre[c]);
                }
            }
        }
    }

    private static void twoRuns(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            long apart,
            int length,
            float centre,
            double[] sum,
            double[] product,
            int at,
            Tile tile) {
        double total = 0;
        double totalProduct = 0;
        int whole = length - length % LANES;
        if (whole > 0) {
            addToLanes(x, xStart, dy, dyStart, apart, whole, centre, tile);
            total = Tile.compensatedTotal(tile.lanes, 0, LANES);
            totalProduct = Tile.compensatedTotal(tile.lanes, 2 * LANES, LANES);
        }
        for (int j = whole; j < length; j++) {
            for (int i = 0; i < 2; i++) {
                double gradient = Memory.get(dy, dyStart + i * apart + j);
                total += gradient;
                totalProduct += gradient * (Memory.get(x, xStart + i * apart + j) - centre);
            }
        }
        sum[at] += total;
        product[at] += totalProduct;
    }

    /**
     * Sums two runs over the lanes of a vector, of which value j goes to lane j modulo {@link VectorLanes#COUNT}.
     *
     * @param length a multiple of the lanes
     * @param tile its {@code lanes}: out, the sums of dy, then what rounding took from them, then the same of the products
     */
    private static void addToLanes(
            Object x, long xStart, Object dy, long dyStart, long apart, int length, float centre, Tile tile) {
        float[] lanes = tile.lanes;
        Arrays.fill(lanes, 0, 4 * LANES, 0);
        for (int j = 0; j < length; j += VectorLanes.PIECE) {
            int piece = Math.min(VectorLanes.PIECE, length - j);
            Memory.read(x, xStart + j, tile.a, 0, piece);
            Memory.read(dy, dyStart + j, tile.b, 0, piece);
            Memory.read(x, xStart + apart + j, tile.c, 0, piece);
            Memory.read(dy, dyStart + apart + j, tile.d, 0, piece);
            for (int k = 0; k < piece; k += LANES) {
                addToLanes(tile.a, tile.b, tile.c, tile.d, k, centre, lanes);
            }
        }
    }

    private static void addToLanes(
            float[] x0, float[] dy0, float[] x1, float[] dy1, int from, float centre, float[] lanes) {
        for (int l = 0; l < LANES; l++) {
            float g0 = dy0[from + l];
            float g1 = dy1[from + l];
            float d0 = x0[from + l] - centre;
            float d1 = x1[from + l] - centre;
            // The sums carry what their rounding takes: they may be much smaller than the values.
            float added = g0 + g1;
            float sum = lanes[l] + added;
            lanes[LANES + l] += (lanes[l] - sum) + added;
            lanes[l] = sum;
            added = Math.fma(d1, g1, d0 * g0);
            float product = lanes[2 * LANES + l] + added;
            lanes[3 * LANES + l] += (lanes[2 * LANES + l] - product) + added;
            lanes[2 * LANES + l] = product;
        }
    }
}
