package org.batchnorm.cpu;

import static jdk.incubator.vector.VectorOperators.ADD;
import static jdk.incubator.vector.VectorOperators.FMA;
import static jdk.incubator.vector.VectorOperators.MAX;
import static jdk.incubator.vector.VectorOperators.MIN;
import static jdk.incubator.vector.VectorOperators.MUL;
import static jdk.incubator.vector.VectorOperators.SUB;
import static org.batchnorm.cpu.VectorMemory.FLOATS;

import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;

/**
 * {@link CollectStatistics} on the Vector API. The one idea: four rows that lie far apart (or four images) are read at
 * once. Each is a stream of its own to the hardware's prefetcher, and one load and store of the column's sums serves
 * four rows. Where x stays in the caches, which need no streams, columns are gone down in strips instead, with their
 * sums in registers.
 */
final class VectorCollectStatistics implements CollectStatistics {
    private static final boolean ON_ARRAYS = VectorMemory.onArrays(MethodHandles.lookup());
    private static final CollectStatistics ON_SEGMENTS =
            VectorMemory.onSegments(MethodHandles.lookup(), CollectStatistics.class);
    private static final int LANES = FLOATS.length();
    private static final int RUNS = 4;

    /**
     * Columns that one call samples: few, because the compiler sooner takes up what is called often, and until then
     * sampling is slow.
     */
    private static final int SAMPLED_COLUMNS = 64;

    @Override
    public int streams(boolean cached) {
        return cached && VectorMemory.MANY_REGISTERS ? 1 : STREAMS;
    }

    @Override
    public void sampleRows(Object x, long start, int samples, long apart, int from, int to, float[] shift) {
        if (ON_ARRAYS && x.getClass() != float[].class) {
            ON_SEGMENTS.sampleRows(x, start, samples, apart, from, to, shift);
            return;
        }
        int end = from + FLOATS.loopBound(to - from);
        for (int j = from; j < end; j += SAMPLED_COLUMNS) {
            sample(x, start, samples, apart, j, Math.min(j + SAMPLED_COLUMNS, end), shift);
        }
        for (int j = end; j < to; j++) {
            shift[j] = Shift.sample(x, start + j, samples, apart);
        }
    }

    private static void sample(Object x, long start, int samples, long apart, int from, int to, float[] shift) {
        FloatVector zero = FloatVector.zero(FLOATS);
        FloatVector trim = FloatVector.broadcast(FLOATS, samples > 2 ? 1 : 0);
        FloatVector perSample = FloatVector.broadcast(FLOATS, 1f / (samples > 2 ? samples - 2 : samples));
        FloatVector coarseness = FloatVector.broadcast(FLOATS, Shift.COARSENESS);
        for (int j = from; j < to; j += LANES) {
            FloatVector first = load(x, start, j);
            FloatVector sum = zero;
            FloatVector least = zero;
            FloatVector most = zero;
            for (int i = 1; i < samples; i++) {
                FloatVector d = load(x, start + i * apart, j).lanewise(SUB, first);
                sum = d.lanewise(ADD, sum);
                least = d.lanewise(MIN, least);
                most = d.lanewise(MAX, most);
            }
            FloatVector outer = zero.lanewise(ADD, least).lanewise(ADD, most).lanewise(MUL, trim);
            FloatVector rest = zero.lanewise(ADD, sum).lanewise(SUB, outer);
            FloatVector mean = first.lanewise(ADD, rest.lanewise(MUL, perSample));
            FloatVector coarse = zero.lanewise(ADD, most).lanewise(SUB, least).lanewise(MUL, coarseness);
            mean.lanewise(ADD, coarse).lanewise(SUB, coarse).intoArray(shift, j);
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
        if (ON_ARRAYS && x.getClass() != float[].class) {
            ON_SEGMENTS.rows(x, start, streams, apart, rows, width, from, to, shift, sum, square);
            return;
        }
        if (streams == STREAMS) {
            for (int r = 0; r < rows; r++) {
                fourRows(x, start + r * width, apart, from, to, shift, sum, square);
            }
            return;
        }
        for (int r = 0; r < rows; r += Blocks.STRIP_ROWS) {
            strips(x, start + r * width, Math.min(Blocks.STRIP_ROWS, rows - r), width, from, to, shift, sum, square);
        }
    }

    private static void fourRows(
            Object x, long start, long apart, int from, int to, float[] shift, float[] sum, float[] square) {
        int end = from + FLOATS.loopBound(to - from);
        for (int j = from; j < end; j += LANES) {
            FloatVector s = FloatVector.fromArray(FLOATS, shift, j);
            FloatVector d0 = load(x, start, j).lanewise(SUB, s);
            FloatVector d1 = load(x, start + apart, j).lanewise(SUB, s);
            FloatVector d2 = load(x, start + 2 * apart, j).lanewise(SUB, s);
            FloatVector d3 = load(x, start + 3 * apart, j).lanewise(SUB, s);
            FloatVector added = d0.lanewise(ADD, d1).lanewise(ADD, d2.lanewise(ADD, d3));
            FloatVector squares = d1.lanewise(FMA, d1, d0.lanewise(MUL, d0))
                    .lanewise(ADD, d3.lanewise(FMA, d3, d2.lanewise(MUL, d2)));
            FloatVector.fromArray(FLOATS, sum, j).lanewise(ADD, added).intoArray(sum, j);
            FloatVector.fromArray(FLOATS, square, j).lanewise(ADD, squares).intoArray(square, j);
        }
        for (int j = end; j < to; j++) {
            for (int i = 0; i < STREAMS; i++) {
                add(Memory.get(x, start + i * apart + j), j, shift, sum, square);
            }
        }
    }

    private static void strips(
            Object x, long start, int rows, long width, int from, int to, float[] shift, float[] sum, float[] square) {
        int j = from;
        for (; j + 4 * LANES <= to; j += 4 * LANES) {
            fourStrips(x, start, rows, width, j, shift, sum, square);
        }
        for (; j + LANES <= to; j += LANES) {
            strip(x, start, rows, width, j, shift, sum, square);
        }
        for (; j < to; j++) {
            for (int r = 0; r < rows; r++) {
                add(Memory.get(x, start + r * width + j), j, shift, sum, square);
            }
        }
    }

    private static void fourStrips(
            Object x, long start, int rows, long width, int j, float[] shift, float[] sum, float[] square) {
        int k = j + LANES;
        int l = k + LANES;
        int m = l + LANES;
        FloatVector shift0 = FloatVector.fromArray(FLOATS, shift, j);
        FloatVector shift1 = FloatVector.fromArray(FLOATS, shift, k);
        FloatVector shift2 = FloatVector.fromArray(FLOATS, shift, l);
        FloatVector shift3 = FloatVector.fromArray(FLOATS, shift, m);
        FloatVector sum0 = FloatVector.zero(FLOATS);
        FloatVector sum1 = sum0;
        FloatVector sum2 = sum0;
        FloatVector sum3 = sum0;
        FloatVector square0 = sum0;
        FloatVector square1 = sum0;
        FloatVector square2 = sum0;
        FloatVector square3 = sum0;
        long row = 0;
        for (int r = 0; r < rows; r++) {
            FloatVector d0 = load(x, start + row, j).lanewise(SUB, shift0);
            FloatVector d1 = load(x, start + row, k).lanewise(SUB, shift1);
            FloatVector d2 = load(x, start + row, l).lanewise(SUB, shift2);
            FloatVector d3 = load(x, start + row, m).lanewise(SUB, shift3);
            sum0 = d0.lanewise(ADD, sum0);
            sum1 = d1.lanewise(ADD, sum1);
            sum2 = d2.lanewise(ADD, sum2);
            sum3 = d3.lanewise(ADD, sum3);
            square0 = d0.lanewise(FMA, d0, square0);
            square1 = d1.lanewise(FMA, d1, square1);
            square2 = d2.lanewise(FMA, d2, square2);
            square3 = d3.lanewise(FMA, d3, square3);
            row += width;
        }
        FloatVector.fromArray(FLOATS, sum, j).lanewise(ADD, sum0).intoArray(sum, j);
        FloatVector.fromArray(FLOATS, sum, k).lanewise(ADD, sum1).intoArray(sum, k);
        FloatVector.fromArray(FLOATS, sum, l).lanewise(ADD, sum2).intoArray(sum, l);
        FloatVector.fromArray(FLOATS, sum, m).lanewise(ADD, sum3).intoArray(sum, m);
        FloatVector.fromArray(FLOATS, square, j).lanewise(ADD, square0).intoArray(square, j);
        FloatVector.fromArray(FLOATS, square, k).lanewise(ADD, square1).intoArray(square, k);
        FloatVector.fromArray(FLOATS, square, l).lanewise(ADD, square2).intoArray(square, l);
        FloatVector.fromArray(FLOATS, square, m).lanewise(ADD, square3).intoArray(square, m);
    }

    private static void strip(
            Object x, long start, int rows, long width, int j, float[] shift, float[] sum, float[] square) {
        FloatVector s = FloatVector.fromArray(FLOATS, shift, j);
        FloatVector added = FloatVector.zero(FLOATS);
        FloatVector squares = added;
        long row = 0;
        for (int r = 0; r < rows; r++) {
            FloatVector d = load(x, start + row, j).lanewise(SUB, s);
            added = d.lanewise(ADD, added);
            squares = d.lanewise(FMA, d, squares);
            row += width;
        }
        FloatVector.fromArray(FLOATS, sum, j).lanewise(ADD, added).intoArray(sum, j);
        FloatVector.fromArray(FLOATS, square, j).lanewise(ADD, squares).intoArray(square, j);
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
        if (ON_ARRAYS && x.getClass() != float[].class) {
            ON_SEGMENTS.runs(x, start, images, imageApart, from, to, channelApart, length, shift, sum, square);
            return;
        }
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
        FloatVector s = FloatVector.broadcast(FLOATS, shift);
        FloatVector zero = FloatVector.zero(FLOATS);
        FloatVector sums = zero;
        FloatVector sumsLow = zero;
        FloatVector square0 = zero;
        FloatVector square1 = zero;
        FloatVector square2 = zero;
        FloatVector square3 = zero;
        int end = FLOATS.loopBound(length);
        for (int j = 0; j < end; j += LANES) {
            FloatVector d0 = load(x, start, j).lanewise(SUB, s);
            FloatVector d1 = load(x, start + apart, j).lanewise(SUB, s);
            FloatVector d2 = load(x, start + 2 * apart, j).lanewise(SUB, s);
            FloatVector d3 = load(x, start + 3 * apart, j).lanewise(SUB, s);
            // The sum carries what its rounding takes: the mean may be much smaller than the values.
            FloatVector added = d0.lanewise(ADD, d1).lanewise(ADD, d2.lanewise(ADD, d3));
            FloatVector sum1 = added.lanewise(ADD, sums);
            sumsLow = added.lanewise(SUB, sum1.lanewise(SUB, sums)).lanewise(ADD, sumsLow);
            sums = sum1;
            square0 = d0.lanewise(FMA, d0, square0);
            square1 = d1.lanewise(FMA, d1, square1);
            square2 = d2.lanewise(FMA, d2, square2);
            square3 = d3.lanewise(FMA, d3, square3);
        }
        zero.lanewise(ADD, sums).intoArray(lanes, 0);
        zero.lanewise(ADD, sumsLow).intoArray(lanes, LANES);
        FloatVector squares01 = zero.lanewise(ADD, square0).lanewise(ADD, square1);
        FloatVector squares23 = zero.lanewise(ADD, square2).lanewise(ADD, square3);
        squares01.lanewise(ADD, squares23).intoArray(lanes, 2 * LANES);
        double total = VectorMemory.compensatedTotal(lanes, 0);
        double squares = VectorMemory.total(lanes, 2 * LANES);
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

    private static FloatVector load(Object memory, long start, int j) {
        return VectorMemory.load(ON_ARRAYS, memory, start, j);
    }
}
