package org.batchnorm.cpu;

import java.util.Arrays;

/** {@link ReduceGradients} in plain loops over pieces that are copied into a {@link Tile}. */
final class ScalarReduceGradients implements ReduceGradients {
    @Override
    public int streams(boolean cached) {
        return STREAMS;
    }

    @Override
    public void rows(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            int streams,
            long apart,
            int rows,
            long width,
            int from,
            int to,
            float[] centre,
            float[] sum,
            float[] product) {
        Tile tile = Tile.current();
        int together = Tile.rowsTogether(rows, width, from, to);
        for (int j = from; j < to; j += Tile.SIZE) {
            int length = Math.min(Tile.SIZE, to - j);
            Tile.repeat(centre, j, length, together, tile.shift);
            tile.beginSums(sum, product, j, length, together);
            for (int r = 0; r < rows; r += together) {
                int piece = length * Math.min(together, rows - r);
                for (int i = 0; i < streams; i++) {
                    long row = r * width + i * apart + j;
                    Memory.read(x, xStart + row, tile.a, 0, piece);
                    Memory.read(dy, dyStart + row, tile.b, 0, piece);
                    add(tile.a, tile.b, tile.shift, tile.sum, tile.product, piece);
                }
            }
            tile.endSums(sum, product, j, length, together);
        }
    }

    private static void add(float[] x, float[] dy, float[] centre, float[] sum, float[] product, int length) {
        for (int j = 0; j < length; j++) {
            sum[j] += dy[j];
            product[j] += dy[j] * (x[j] - centre[j]);
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
        int used = Math.min(length, Tile.SIZE);
        for (int c = from; c < to; c++) {
            Arrays.fill(tile.sum, 0, used, 0);
            Arrays.fill(tile.product, 0, used, 0);
            for (int i = 0; i < images; i++) {
                long run = (c - from) * channelApart + i * imageApart;
                for (int j = 0; j < length; j += Tile.SIZE) {
                    int piece = Math.min(Tile.SIZE, length - j);
                    Memory.read(x, xStart + run + j, tile.a, 0, piece);
                    Memory.read(dy, dyStart + run + j, tile.b, 0, piece);
                    add(tile.a, tile.b, centre[c], tile.sum, tile.product, piece);
                }
            }
            sum[c] += Tile.total(tile.sum, 0, used);
            product[c] += Tile.total(tile.product, 0, used);
        }
    }

    private static void add(float[] x, float[] dy, float centre, float[] sum, float[] product, int length) {
        for (int j = 0; j < length; j++) {
            sum[j] += dy[j];
            product[j] += dy[j] * (x[j] - centre);
        }
    }
}
