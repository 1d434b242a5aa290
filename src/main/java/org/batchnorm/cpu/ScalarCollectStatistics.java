package org.batchnorm.cpu;

import java.util.Arrays;

/**
 * {@link CollectStatistics} in plain loops: pieces of four rows are copied into a {@link Tile} and added there. Without
 * the Vector API, the compiler makes vector code of the loops over tiles.
 */
final class ScalarCollectStatistics implements CollectStatistics {
    @Override
    public int streams(boolean cached) {
        return STREAMS;
    }

    @Override
    public void sampleRows(Object x, long start, int samples, long apart, int from, int to, float[] shift) {
        Tile tile = Tile.current();
        for (int j = from; j < to; j += Tile.SIZE) {
            int length = Math.min(Tile.SIZE, to - j);
            Memory.read(x, start + j, tile.shift, 0, length);
            Arrays.fill(tile.sum, 0, length, 0);
            Arrays.fill(tile.d, 0, length, 0);
            Arrays.fill(tile.product, 0, length, 0);
            for (int i = 1; i < samples; i++) {
                Memory.read(x, start + i * apart + j, tile.a, 0, length);
                addSample(tile.a, tile.shift, tile.sum, tile.d, tile.product, length);
            }
            shift(tile.shift, tile.sum, tile.d, tile.product, samples, tile.a, length);
            System.arraycopy(tile.a, 0, shift, j, length);
        }
    }

    private static void addSample(float[] sample, float[] first, float[] sum, float[] least, float[] most, int length) {
        for (int j = 0; j < length; j++) {
            float d = sample[j] - first[j];
            sum[j] += d;
            least[j] = Math.min(least[j], d);
            most[j] = Math.max(most[j], d);
        }
    }

    /** {@link Shift} of the columns. */
    private static void shift(
            float[] first, float[] sum, float[] least, float[] most, int samples, float[] shift, int length) {
        float trim = samples > 2 ? 1 : 0;
        float perSample = 1f / (samples > 2 ? samples - 2 : samples);
        for (int j = 0; j < length; j++) {
            float mean = first[j] + (sum[j] - (least[j] + most[j]) * trim) * perSample;
            float coarse = (most[j] - least[j]) * Shift.COARSENESS;
            shift[j] = (mean + coarse) - coarse;
        }
    }

    @Override
    public void rows(
            Object x,
            long start,
            int streams,
            long apart,
            int rows,
            long width,
            int from,
            int to,
            float[] shift,
            float[] sum,
            float[] square) {
        Tile tile = Tile.current();
        int together = Tile.rowsTogether(rows, width, from, to);
        for (int j = from; j < to; j += Tile.SIZE) {
            int length = Math.min(Tile.SIZE, to - j);
            Tile.repeat(shift, j, length, together, tile.shift);
            tile.beginSums(sum, square, j, length, together);
            for (int r = 0; r < rows; r += together) {
                long row = start + r * width + j;
                int piece = length * Math.min(together, rows - r);
                Memory.read(x, row, tile.a, 0, piece);
                if (streams == STREAMS) {
                    Memory.read(x, row + apart, tile.b, 0, piece);
                    Memory.read(x, row + 2 * apart, tile.c, 0, piece);
                    Memory.read(x, row + 3 * apart, tile.d, 0, piece);
                    addFour(tile.a, tile.b, tile.c, tile.d, tile.shift, tile.sum, tile.product, piece);
                } else {
                    addOne(tile.a, tile.shift, tile.sum, tile.product, piece);
                }
            }
            tile.endSums(sum, square, j, length, together);
        }
    }

    private static void addFour(
            float[] a, float[] b, float[] c, float[] d, float[] shift, float[] sum, float[] square, int length) {
        for (int j = 0; j < length; j++) {
            float s = shift[j];
            float da = a[j] - s;
            float db = b[j] - s;
            float dc = c[j] - s;
            float dd = d[j] - s;
            sum[j] += (da + db) + (dc + dd);
            square[j] += (da * da + db * db) + (dc * dc + dd * dd);
        }
    }

    private static void addOne(float[] x, float[] shift, float[] sum, float[] square, int length) {
        for (int j = 0; j < length; j++) {
            float d = x[j] - shift[j];
            sum[j] += d;
            square[j] += d * d;
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
        int used = Math.min(length, Tile.SIZE);
        for (int c = from; c < to; c++) {
            Arrays.fill(tile.sum, 0, used, 0);
            Arrays.fill(tile.product, 0, used, 0);
            long run = start + (c - from) * channelApart;
            for (int j = 0; j < length; j += Tile.SIZE) {
                int piece = Math.min(Tile.SIZE, length - j);
                if (images == STREAMS) {
                    Memory.read(x, run + j, tile.a, 0, piece);
                    Memory.read(x, run + imageApart + j, tile.b, 0, piece);
                    Memory.read(x, run + 2 * imageApart + j, tile.c, 0, piece);
                    Memory.read(x, run + 3 * imageApart + j, tile.d, 0, piece);
                    addFour(tile.a, tile.b, tile.c, tile.d, shift[c], tile.sum, tile.product, piece);
                    continue;
                }
                for (int i = 0; i < images; i++) {
                    Memory.read(x, run + i * imageApart + j, tile.a, 0, piece);
                    addOne(tile.a, shift[c], tile.sum, tile.product, piece);
                }
            }
            sum[c] += Tile.total(tile.sum, 0, used);
            square[c] += Tile.total(tile.product, 0, used);
        }
    }

    private static void addFour(
            float[] a, float[] b, float[] c, float[] d, float shift, float[] sum, float[] square, int length) {
        for (int j = 0; j < length; j++) {
            float da = a[j] - shift;
            float db = b[j] - shift;
            float dc = c[j] - shift;
            float dd = d[j] - shift;
            sum[j] += (da + db) + (dc + dd);
            square[j] += (da * da + db * db) + (dc * dc + dd * dd);
        }
    }

    private static void addOne(float[] x, float shift, float[] sum, float[] square, int length) {
        for (int j = 0; j < length; j++) {
            float d = x[j] - shift;
            sum[j] += d;
            square[j] += d * d;
        }
    }
}
