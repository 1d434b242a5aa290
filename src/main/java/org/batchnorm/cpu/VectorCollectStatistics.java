package org.batchnorm.cpu;

import static org.batchnorm.cpu.VectorMemory.FLOATS;

import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;

/**
 * {@link CollectStatistics} on the Vector API. The one idea: four rows that lie far apart (or four images) are read at once. Each is a stream of its own to the hardware's prefetcher, and one load and
 * store of the column's sums serves four rows. Where x stays in the caches, which need no streams, columns are gone down in strips instead, with their sums in registers.
 */
final class VectorCollectStatistics implements CollectStatistics {
    private static final boolean ON_ARRAYS = VectorMemory.onArrays(MethodHandles.lookup());
    private static final CollectStatistics ON_SEGMENTS =
            VectorMemory.onSegments(MethodHandles.lookup(), CollectStatistics.class);
    private static final int LANES = FLOATS.length();
    private static final int RUNS = 4;

    /** Columns that one call samples: few, because the compiler sooner takes up what is called often, and until then sampling is slow. */
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
        float perSample = 1f / (samples > 2 ? samples - 2 : samples);
        for (int j = from; j < to; j += LANES) {
            FloatVector first = load(x, start, j);
            FloatVector sum = FloatVector.zero(FLOATS);
            FloatVector least = sum;
            FloatVector most = sum;
            for (int i = 1; i < samples; i++) {
                FloatVector d = load(x, start + i * apart, j).sub(first);
                sum = sum.add(d);
                least = least.min(d);
                most = most.max(d);
            }
            FloatVector rest = samples > 2 ? sum.sub(least).sub(most) : sum;
            FloatVector mean = first.add(rest.mul(perSample));
            FloatVector coarse = most.sub(least).mul(Shift.COARSENESS);
            mean.add(coarse).sub(coarse).intoArray(shift, j);
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
            FloatVector d0 = load(x, start, j).sub(s);
            FloatVector d1 = load(x, start + apart, j).sub(s);
            FloatVector d2 = load(x, start + 2 * apart, j).sub(s);
            FloatVector d3 = load(x, start + 3 * apart, j).sub(s);
            FloatVector added = d0.add(d1).add(d2.add(d3));
            FloatVector squares = d1.fma(d1, d0.mul(d0)).add(d3.fma(d3, d2.mul(d2)));
            FloatVector.fromArray(FLOATS, sum, j).add(added).intoArray(sum, j);
            FloatVector.fromArray(FLOATS, square, j).add(squares).intoArray(square, j);
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
            FloatVector d0 = load(x, start + row, j).sub(shift0);
            FloatVector d1 = load(x, start + row, k).sub(shift1);
            FloatVector d2 = load(x, start + row, l).sub(shift2);
            FloatVector d3 = load(x, start + row, m).sub(shift3);
            sum0 = sum0.add(d0);
            sum1 = sum1.add(d1);
            sum2 = sum2.add(d2);
            sum3 = sum3.add(d3);
            square0 = d0.fma(d0, square0);
            square1 = d1.fma(d1, square1);
            square2 = d2.fma(d2, square2);
            square3 = d3.fma(d3, square3);
            row += width;
        }
        FloatVector.fromArray(FLOATS, sum, j).add(sum0).intoArray(sum, j);
        FloatVector.fromArray(FLOATS, sum, k).add(sum1).intoArray(sum, k);
        FloatVector.fromArray(FLOATS, sum, l).add(sum2).intoArray(sum, l);
        FloatVector.fromArray(FLOATS, sum, m).add(sum3).intoArray(sum, m);
        FloatVector.fromArray(FLOATS, square, j).add(square0).intoArray(square, j);
        FloatVector.fromArray(FLOATS, square, k).add(square1).intoArray(square, k);
        FloatVector.fromArray(FLOATS, square, l).add(square2).intoArray(square, l);
        FloatVector.fromArray(FLOATS, square, m).add(square3).intoArray(square, m);
    }

    private static void strip(
            Object x, long start, int rows, long width, int j, float[] shift, float[] sum, float[] square) {
        FloatVector s = FloatVector.fromArray(FLOATS, shift, j);
        FloatVector added = FloatVector.zero(FLOATS);
        FloatVector squares = added;
        long row = 0;
        for (int r = 0; r < rows; r++) {
            FloatVector d = load(x, start + row, j).sub(s);
            added = added.add(d);
            squares = d.fma(d, squares);
            row += width;
        }
        FloatVector.fromArray(FLOATS, sum, j).add(added).intoArray(sum, j);
        FloatVector.fromArray(FLOATS, square, j).add(squares).intoArray(square, j);
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
        FloatVector sums = FloatVector.zero(FLOATS);
        FloatVector sumsLow = sums;
        FloatVector square0 = sums;
        FloatVector square1 = sums;
        FloatVector square2 = sums;
        FloatVector square3 = sums;
        int end = FLOATS.loopBound(length);
        for (int j = 0; j < end; j += LANES) {
            FloatVector d0 = load(x, start, j).sub(shift);
            FloatVector d1 = load(x, start + apart, j).sub(shift);
            FloatVector d2 = load(x, start + 2 * apart, j).sub(shift);
            FloatVector d3 = load(x, start + 3 * apart, j).sub(shift);
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
        sums.intoArray(lanes, 0);
        sumsLow.intoArray(lanes, LANES);
        square0.add(square1).add(square2.add(square3)).intoArray(lanes, 2 * LANES);
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
