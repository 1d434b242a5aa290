package org.batchnorm.cpu;

import static org.batchnorm.cpu.VectorMemory.FLOATS;

import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * {@link CollectStatistics} on the Vector API. The one idea: eight rows that lie far apart (or four images) are read at once. Each is a stream of its own to the hardware's prefetcher, and one load and
 * store of the column's sums serves eight rows.
 */
final class VectorCollectStatistics implements CollectStatistics {
    private static final boolean ON_ARRAYS = VectorMemory.onArrays(MethodHandles.lookup());
    private static final int LANES = FLOATS.length();
    private static final int STREAMS = 8;
    private static final int RUNS = 4;
    private static final int TILE = 2 * LANES;
    private static final int TILE_ROWS = 4;

    @Override
    public void sampleRows(Object x, long start, int samples, long apart, int columns, float[] shift) {
        float perSample = 1f / (samples > 2 ? samples - 2 : samples);
        int j = 0;
        for (int end = FLOATS.loopBound(columns); j < end; j += LANES) {
            FloatVector first = load(x, start + j);
            FloatVector sum = FloatVector.zero(FLOATS);
            FloatVector least = sum;
            FloatVector most = sum;
            for (int i = 1; i < samples; i++) {
                FloatVector d = load(x, start + i * apart + j).sub(first);
                sum = sum.add(d);
                least = least.min(d);
                most = most.max(d);
            }
            FloatVector rest = samples > 2 ? sum.sub(least).sub(most) : sum;
            FloatVector mean = first.add(rest.mul(perSample));
            FloatVector coarse = most.sub(least).mul(Shift.COARSENESS);
            mean = mean.add(coarse).sub(coarse);
            mean.blend(0, mean.test(VectorOperators.IS_FINITE).not()).intoArray(shift, j);
        }
        for (; j < columns; j++) {
            shift[j] = Shift.sample(x, start + j, samples, apart);
        }
    }

    @Override
    public void rows(
            Object x,
            long start,
            int rows,
            long width,
            int from,
            int to,
            float[] shift,
            float[] sum,
            float[] square,
            boolean cached) {
        int tiledRows = cached ? rows / TILE_ROWS * TILE_ROWS : 0;
        int tiledTo = from + (to - from) / TILE * TILE;
        for (int j = from; tiledRows > 0 && j < tiledTo; j += TILE) {
            tile(x, start + j, tiledRows, width, j, shift, sum, square);
        }
        streams(x, start, tiledRows, width, tiledTo, to, shift, sum, square);
        streams(x, start + tiledRows * width, rows - tiledRows, width, from, to, shift, sum, square);
    }

    /** Two vectors' width of columns, down the rows, four at once: the sums stay in registers. */
    private static void tile(
            Object x, long start, int rows, long width, int j, float[] shift, float[] sum, float[] square) {
        FloatVector shift0 = FloatVector.fromArray(FLOATS, shift, j);
        FloatVector shift1 = FloatVector.fromArray(FLOATS, shift, j + LANES);
        FloatVector sum0 = FloatVector.fromArray(FLOATS, sum, j);
        FloatVector sum1 = FloatVector.fromArray(FLOATS, sum, j + LANES);
        FloatVector square0 = FloatVector.fromArray(FLOATS, square, j);
        FloatVector square1 = FloatVector.fromArray(FLOATS, square, j + LANES);
        for (int r = 0; r < rows; r += TILE_ROWS) {
            long at = start + r * width;
            FloatVector a0 = load(x, at).sub(shift0);
            FloatVector a1 = load(x, at + LANES).sub(shift1);
            FloatVector b0 = load(x, at + width).sub(shift0);
            FloatVector b1 = load(x, at + width + LANES).sub(shift1);
            FloatVector c0 = load(x, at + 2 * width).sub(shift0);
            FloatVector c1 = load(x, at + 2 * width + LANES).sub(shift1);
            FloatVector d0 = load(x, at + 3 * width).sub(shift0);
            FloatVector d1 = load(x, at + 3 * width + LANES).sub(shift1);
            sum0 = sum0.add(a0.add(b0).add(c0.add(d0)));
            sum1 = sum1.add(a1.add(b1).add(c1.add(d1)));
            square0 = square0.add(b0.fma(b0, a0.mul(a0)).add(d0.fma(d0, c0.mul(c0))));
            square1 = square1.add(b1.fma(b1, a1.mul(a1)).add(d1.fma(d1, c1.mul(c1))));
        }
        sum0.intoArray(sum, j);
        sum1.intoArray(sum, j + LANES);
        square0.intoArray(square, j);
        square1.intoArray(square, j + LANES);
    }

    private static void streams(
            Object x, long start, int rows, long width, int from, int to, float[] shift, float[] sum, float[] square) {
        int apart = rows / STREAMS;
        for (int r = 0; r < apart; r++) {
            eightRows(x, start + r * width, apart * width, from, to, shift, sum, square);
        }
        for (int r = apart * STREAMS; r < rows; r++) {
            oneRow(x, start + r * width, from, to, shift, sum, square);
        }
    }

    private static void eightRows(
            Object x, long start, long apart, int from, int to, float[] shift, float[] sum, float[] square) {
        int end = from + FLOATS.loopBound(to - from);
        for (int j = from; j < end; j += LANES) {
            FloatVector s = FloatVector.fromArray(FLOATS, shift, j);
            long at = start + j;
            FloatVector d0 = load(x, at).sub(s);
            FloatVector d1 = load(x, at + apart).sub(s);
            FloatVector d2 = load(x, at + 2 * apart).sub(s);
            FloatVector d3 = load(x, at + 3 * apart).sub(s);
            FloatVector d4 = load(x, at + 4 * apart).sub(s);
            FloatVector d5 = load(x, at + 5 * apart).sub(s);
            FloatVector d6 = load(x, at + 6 * apart).sub(s);
            FloatVector d7 = load(x, at + 7 * apart).sub(s);
            FloatVector low = d0.add(d1).add(d2.add(d3));
            FloatVector high = d4.add(d5).add(d6.add(d7));
            FloatVector lowSquare = d3.fma(d3, d2.fma(d2, d1.fma(d1, d0.mul(d0))));
            FloatVector highSquare = d7.fma(d7, d6.fma(d6, d5.fma(d5, d4.mul(d4))));
            FloatVector.fromArray(FLOATS, sum, j).add(low.add(high)).intoArray(sum, j);
            FloatVector.fromArray(FLOATS, square, j)
                    .add(lowSquare.add(highSquare))
                    .intoArray(square, j);
        }
        for (int j = end; j < to; j++) {
            for (int i = 0; i < STREAMS; i++) {
                add(Memory.get(x, start + i * apart + j), j, shift, sum, square);
            }
        }
    }

    private static void oneRow(Object x, long start, int from, int to, float[] shift, float[] sum, float[] square) {
        int end = from + FLOATS.loopBound(to - from);
        for (int j = from; j < end; j += LANES) {
            FloatVector d = load(x, start + j).sub(FloatVector.fromArray(FLOATS, shift, j));
            FloatVector.fromArray(FLOATS, sum, j).add(d).intoArray(sum, j);
            d.fma(d, FloatVector.fromArray(FLOATS, square, j)).intoArray(square, j);
        }
        for (int j = end; j < to; j++) {
            add(Memory.get(x, start + j), j, shift, sum, square);
        }
    }

    private static void add(float value, int j, float[] shift, float[] sum, float[] square) {
        float d = value - shift[j];
        sum[j] += d;
        square[j] += d * d;
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
        float[] lanes = Tile.current().a;
        int quarter = length / RUNS;
        for (int c = from; c < to; c++) {
            long run = start + (c - from) * channelApart;
            if (images == RUNS) {
                fourRuns(x, run, imageApart, length, shift[c], sum, square, c, lanes);
                continue;
            }
            for (int i = 0; i < images; i++) {
                long image = run + i * imageApart;
                fourRuns(x, image, quarter, quarter, shift[c], sum, square, c, lanes);
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
            float[] lanes) {
        FloatVector sums = FloatVector.zero(FLOATS);
        FloatVector sumsLow = sums;
        FloatVector square0 = sums;
        FloatVector square1 = sums;
        FloatVector square2 = sums;
        FloatVector square3 = sums;
        int end = FLOATS.loopBound(length);
        for (int j = 0; j < end; j += LANES) {
            FloatVector d0 = load(x, start + j).sub(shift);
            FloatVector d1 = load(x, start + apart + j).sub(shift);
            FloatVector d2 = load(x, start + 2 * apart + j).sub(shift);
            FloatVector d3 = load(x, start + 3 * apart + j).sub(shift);
            // The sum carries what its rounding takes: the mean may be much smaller than the values.
            FloatVector added = d0.add(d1).add(d2.add(d3));
            FloatVector sum1 = sums.add(added);
            sumsLow = sumsLow.add(sums.sub(sum1).add(added));
            sums = sum1;
            square0 = d0.fma(d0, square0);
            square1 = d1.fma(d1, square1);
            square2 = d2.fma(d2, square2);
            square3 = d3.fma(d3, square3);
        }
        double total = VectorMemory.total(sums, sumsLow, lanes);
        double squares = VectorMemory.total(square0.add(square1).add(square2.add(square3)), lanes);
        for (int j = end; j < length; j++) {
            for (int i = 0; i < RUNS; i++) {
                float d = Memory.get(x, start + i * apart + j) - shift;
                total += d;
                squares += d * d;
            }
        }
        sum[at] += total;
        square[at] += squares;
    }

    private static FloatVector load(Object memory, long position) {
        return VectorMemory.load(ON_ARRAYS, memory, position);
    }
}
