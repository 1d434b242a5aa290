package org.batchnorm.cpu;

import java.util.Arrays;

/**
 * What {@link VectorCollectStatistics} computes, bit for bit, without the Vector API: for the columns that fill no vector, and for all of them until the vector loops are compiled. Works on pieces that
 * are copied into a {@link Tile}.
 */
class PlainCollectStatistics extends ScalarCollectStatistics {
    /** Runs that are read at once. */
    static final int RUNS = 4;

    private static final int LANES = VectorLanes.COUNT;

    @Override
    final void addFour(
            float[] a, float[] b, float[] c, float[] d, float[] shift, float[] sum, float[] square, int length) {
        for (int j = 0; j < length; j++) {
            float s = shift[j];
            float d0 = a[j] - s;
            float d1 = b[j] - s;
            float d2 = c[j] - s;
            float d3 = d[j] - s;
            sum[j] += (d0 + d1) + (d2 + d3);
            square[j] += Math.fma(d1, d1, d0 * d0) + Math.fma(d3, d3, d2 * d2);
        }
    }

    @Override
    final void addOne(float[] x, float[] shift, float[] sum, float[] square, int length) {
        for (int j = 0; j < length; j++) {
            float d = x[j] - shift[j];
            sum[j] += d;
            square[j] = Math.fma(d, d, square[j]);
        }
    }

    @Override
    public void runs(
            Object x,
            long start,
            int images,
            long imageApart,
            int from,
            int to,
            long channelApart,
            int length,
            float[] shift,
            double[] sum,
            double[] square) {
        Tile tile = Tile.current();
        int quarter = length / RUNS;
        for (int c = from; c < to; c++) {
            long run = start + (c - from) * channelApart;
            if (images == RUNS) {
                fourRuns(x, run, imageApart, length, shift[c], sum, square, c, tile);
                continue;
            }
            for (int i = 0; i < images; i++) {
                long image = run + i * imageApart;
                fourRuns(x, image, quarter, quarter, shift[c], sum, square, c, tile);
                for (int j = RUNS * quarter; j < length; j++) {
                    double d = Memory.get(x, image + j) - shift[c];
                    sum[c] += d;
                    square[c] += d * d;
                }
            }
        }
    }

    private static void fourRuns(
            Object x,
            long start,
            long apart,
            int length,
            float shift,
            double[] sum,
            double[] square,
            int at,
            Tile tile) {
        double total = 0;
        double squares = 0;
        int whole = length - length % LANES;
        if (whole > 0) {
            addToLanes(x, start, apart, whole, shift, tile);
            total = Tile.compensatedTotal(tile.lanes, 0, LANES);
            squares = Tile.total(tile.lanes, 2 * LANES, LANES);
        }
        for (int j = whole; j < length; j++) {
            for (int i = 0; i < RUNS; i++) {
                double d = Memory.get(x, start + i * apart + j) - shift;
                total += d;
                squares += d * d;
            }
        }
        sum[at] += total;
        square[at] += squares;
    }

    /**
     * Sums four runs over the lanes of a vector, of which value j goes to lane j modulo {@link VectorLanes#COUNT}.
     *
     * @param length a multiple of the lanes
     * @param tile its {@code lanes}: out, the sums, then what rounding took from them, then the sums of the squares
     */
    private static void addToLanes(Object x, long start, long apart, int length, float shift, Tile tile) {
        float[] lanes = tile.lanes;
        Arrays.fill(lanes, 0, 6 * LANES, 0);
        for (int j = 0; j < length; j += VectorLanes.PIECE) {
            int piece = Math.min(VectorLanes.PIECE, length - j);
            Memory.read(x, start + j, tile.a, 0, piece);
            Memory.read(x, start + apart + j, tile.b, 0, piece);
            Memory.read(x, start + 2 * apart + j, tile.c, 0, piece);
            Memory.read(x, start + 3 * apart + j, tile.d, 0, piece);
            for (int k = 0; k < piece; k += LANES) {
                addToLanes(tile.a, tile.b, tile.c, tile.d, k, shift, lanes);
            }
        }
        for (int l = 2 * LANES; l < 3 * LANES; l++) {
            lanes[l] = (lanes[l] + lanes[LANES + l]) + (lanes[2 * LANES + l] + lanes[3 * LANES + l]);
        }
    }

    private static void addToLanes(float[] a, float[] b, float[] c, float[] d, int from, float shift, float[] lanes) {
        for (int l = 0; l < LANES; l++) {
            float d0 = a[from + l] - shift;
            float d1 = b[from + l] - shift;
            float d2 = c[from + l] - shift;
            float d3 = d[from + l] - shift;
            // The sum carries what its rounding takes: the mean may be much smaller than the values.
            float added = (d0 + d1) + (d2 + d3);
            float sum = lanes[l] + added;
            lanes[LANES + l] += (lanes[l] - sum) + added;
            lanes[l] = sum;
            lanes[2 * LANES + l] = Math.fma(d0, d0, lanes[2 * LANES + l]);
            lanes[3 * LANES + l] = Math.fma(d1, d1, lanes[3 * LANES + l]);
            lanes[4 * LANES + l] = Math.fma(d2, d2, lanes[4 * LANES + l]);
            lanes[5 * LANES + l] = Math.fma(d3, d3, lanes[5 * LANES + l]);
        }
    }
}
