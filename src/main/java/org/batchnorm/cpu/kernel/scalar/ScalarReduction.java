package org.batchnorm.cpu.kernel.scalar;

import java.util.Arrays;
import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.ColumnSums;
import org.batchnorm.cpu.kernel.Memory;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Reduction;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Runs;
import org.batchnorm.cpu.kernel.Shift;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.cpu.kernel.Tile;

/**
 * {@link Reduction} in plain loops: pieces of rows or runs are copied into a {@link Tile} and added up there, as the
 * compiler makes vector code of loops over tiles.
 */
final class ScalarReduction implements Reduction {
    private final boolean second;
    private final int streams;

    /**
     * A reduction.
     *
     * @param second whether of x and dy, {@code w = dy − dyShift}; else of x alone, {@code w = d}
     */
    ScalarReduction(boolean second) {
        this.second = second;
        this.streams = second ? 2 : 4;
    }

    @Override
    public int streams(Operands o, boolean cached, int width) {
        return streams;
    }

    @Override
    public int strip(Operands o, Rows r) {
        return CutPolicy.STRIP_ROWS / r.streams * Tile.rowsTogether(r);
    }

    @Override
    public void sample(Operands o, Rows r, Coefficients c) {
        Tile tile = r.tile;
        int samples = (int) r.count;
        float[] shift = second ? c.dyShift : c.shift;
        float[] first = tile.coefficients.shift;
        for (int j = r.from; j < r.to; j += Tile.SIZE) {
            int length = Math.min(Tile.SIZE, r.to - j);
            repeatForward(o, tile, j, length, 1);
            readSample(o, r.first + j, tile, first, length);
            Arrays.fill(tile.b, 0, length, 0);
            Arrays.fill(tile.c, 0, length, 0);
            for (int i = 1; i < samples; i++) {
                readSample(o, r.first + tile.positions[i] + j, tile, tile.a, length);
                addSample(tile.a, first, tile.b, tile.c, length);
            }
            shift(tile, 1f / samples, length);
            System.arraycopy(tile.a, 0, shift, j, length);
            System.arraycopy(tile.c, 0, c.spread, j, length);
        }
    }

    private void readSample(Operands o, long position, Tile tile, float[] into, int length) {
        if (!second) {
            ScalarInputs.readX(o, position, into, length);
        } else if (o.output.isNone()) {
            Memory.read(o.second, o.secondStart + position, into, length);
        } else {
            ScalarInputs.readBoth(o, position, tile.d, into, tile.forward, length);
        }
    }

    private void repeatForward(Operands o, Tile tile, int from, int length, int times) {
        if (o.needsForward()) {
            tile.repeatForward(o.forward, from, length, times);
        }
    }

    private static void addSample(float[] sample, float[] first, float[] sum, float[] distances, int length) {
        for (int j = 0; j < length; j++) {
            float d = sample[j] - first[j];
            sum[j] += d;
            distances[j] += Math.abs(d);
        }
    }

    /** {@link Shift} of the columns. */
    private static void shift(Tile tile, float perSample, int length) {
        float[] first = tile.coefficients.shift;
        float[] distances = tile.c;
        for (int j = 0; j < length; j++) {
            float mean = first[j] + tile.b[j] * perSample;
            float spread = distances[j] * perSample;
            float coarse = spread * Shift.COARSENESS;
            tile.a[j] = (mean + coarse) - coarse;
            distances[j] = spread;
        }
    }

    @Override
    public void rows(Operands o, Rows r, Coefficients c, ColumnSums s) {
        Tile tile = r.tile;
        int together = Tile.rowsTogether(r);
        int strip = strip(o, r);
        for (int j = r.from; j < r.to; j += Tile.SIZE) {
            int length = Math.min(Tile.SIZE, r.to - j);
            tile.repeatShift(c, j, length, together, second);
            repeatForward(o, tile, j, length, together);
            tile.clearSums(length * together);
            for (long i = 0; i < r.count; i += strip) {
                strip(o, r, i, Math.min(i + strip, r.count), j, length);
                tile.addSums(s, j, length, together);
            }
        }
    }

    /** Adds up {@code length} columns of the rows {@code from} to {@code to} of each stream, in the tile. */
    private void strip(Operands o, Rows r, long from, long to, int column, int length) {
        int together = Tile.rowsTogether(r);
        for (long i = from; i < to; i += together) {
            int piece = length * (int) Math.min(together, to - i);
            long row = r.first + i * r.width + column;
            if (r.streams == 1) {
                read(o, row, r.tile, piece);
                add(r.tile, piece);
            } else if (second) {
                read(o, row, r.tile, piece);
                readOther(o, row + r.apart, r.tile, piece);
                addTwo(r.tile, piece);
            } else {
                readFour(o, row, r.apart, r.tile, piece);
                addFour(r.tile, piece);
            }
        }
    }

    @Override
    public void runs(Operands o, Runs r, Coefficients c, Sums s) {
        Tile tile = r.tile;
        int used = Math.min(r.length, Tile.SIZE);
        for (int channel = r.from; channel < r.to; channel++) {
            tile.clearSums(used);
            long run = r.first + (channel - r.from) * r.channelApart;
            Arrays.fill(tile.coefficients.shift, 0, used, c.shift[channel]);
            if (second) {
                Arrays.fill(tile.coefficients.dyShift, 0, used, c.dyShift[channel]);
                if (o.needsForward()) {
                    tile.repeatForward(o.forward, channel, used);
                }
            }
            if (!second && r.images == streams) {
                for (int j = 0; j < r.length; j += Tile.SIZE) {
                    int piece = Math.min(Tile.SIZE, r.length - j);
                    readFour(o, run + j, r.imageApart, tile, piece);
                    addFour(tile, piece);
                }
            } else {
                oneByOne(o, r, run);
            }
            s.sum[channel] += Tile.total(tile.sum, 0, used);
            s.product[channel] += Tile.total(tile.product, 0, used);
        }
    }

    /**
     * Adds the runs of one channel piece by piece. Of x and dy, all pieces of an image come before the next image; of x
     * alone, the same piece of all images before the next piece, as where there are four images.
     */
    private void oneByOne(Operands o, Runs r, long run) {
        Tile tile = r.tile;
        int images = (int) r.images;
        int pieces = Math.ceilDiv(r.length, Tile.SIZE);
        for (int k = 0; k < images * pieces; k++) {
            int image = second ? k / pieces : k % images;
            int j = (second ? k % pieces : k / images) * Tile.SIZE;
            int piece = Math.min(Tile.SIZE, r.length - j);
            read(o, run + image * r.imageApart + j, tile, piece);
            add(tile, piece);
        }
    }

    /** Copies a piece of each input. */
    private void read(Operands o, long position, Tile tile, int length) {
        if (second) {
            ScalarInputs.readBoth(o, position, tile.a, tile.b, tile.forward, length);
        } else {
            ScalarInputs.readX(o, position, tile.a, length);
        }
    }

    /** Copies four pieces of x. */
    private static void readFour(Operands o, long position, long apart, Tile tile, int length) {
        ScalarInputs.readX(o, position, tile.a, length);
        ScalarInputs.readX(o, position + apart, tile.b, length);
        ScalarInputs.readX(o, position + 2 * apart, tile.c, length);
        ScalarInputs.readX(o, position + 3 * apart, tile.d, length);
    }

    /** Copies another piece of each input. */
    private static void readOther(Operands o, long position, Tile tile, int length) {
        ScalarInputs.readBoth(o, position, tile.c, tile.d, tile.forward, length);
    }

    private void add(Tile tile, int length) {
        if (second) {
            addGradients(tile, length);
        } else {
            addValues(tile.a, tile.coefficients.shift, tile.sum, tile.product, length);
        }
    }

    private static void addFour(Tile tile, int length) {
        float[] a = tile.a;
        float[] b = tile.b;
        float[] c = tile.c;
        float[] d = tile.d;
        float[] shift = tile.coefficients.shift;
        float[] sum = tile.sum;
        float[] square = tile.product;
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

    private static void addTwo(Tile tile, int length) {
        float[] xa = tile.a;
        float[] a = tile.b;
        float[] xb = tile.c;
        float[] b = tile.d;
        float[] shift = tile.coefficients.shift;
        float[] dyShift = tile.coefficients.dyShift;
        for (int j = 0; j < length; j++) {
            float wa = a[j] - dyShift[j];
            float wb = b[j] - dyShift[j];
            tile.sum[j] += wa + wb;
            tile.product[j] += wa * (xa[j] - shift[j]) + wb * (xb[j] - shift[j]);
        }
    }

    private static void addValues(float[] x, float[] shift, float[] sum, float[] square, int length) {
        for (int j = 0; j < length; j++) {
            float d = x[j] - shift[j];
            sum[j] += d;
            square[j] += d * d;
        }
    }

    private static void addGradients(Tile tile, int length) {
        float[] x = tile.a;
        float[] dy = tile.b;
        float[] shift = tile.coefficients.shift;
        float[] dyShift = tile.coefficients.dyShift;
        float[] sum = tile.sum;
        float[] product = tile.product;
        for (int j = 0; j < length; j++) {
            float w = dy[j] - dyShift[j];
            sum[j] += w;
            product[j] += w * (x[j] - shift[j]);
        }
    }
}
