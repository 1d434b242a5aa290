package org.batchnorm.cpu;

import static jdk.incubator.vector.VectorOperators.FMA;
import static jdk.incubator.vector.VectorOperators.SUB;
import static org.batchnorm.cpu.VectorMemory.FLOATS;

import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;

/**
 * {@link Transform} on the Vector API. The one idea: rows go in pairs, one from either half, so that the coefficients
 * are loaded once for two and the prefetcher sees two long streams; where the processor has registers for it, two such
 * pairs go together. Runs go in pairs, of two images or the halves of one, for the streams alone. Where x and y stay in
 * the first-level cache, columns are gone down in strips instead, with their coefficients in registers.
 */
final class VectorTransform implements Transform {
    private static final boolean ON_ARRAYS = VectorMemory.onArrays(MethodHandles.lookup());
    private static final Transform ON_SEGMENTS = VectorMemory.onSegments(MethodHandles.lookup(), Transform.class);
    private static final int LANES = FLOATS.length();

    @Override
    public void rows(
            Object x,
            long xStart,
            Object y,
            long yStart,
            long rows,
            long width,
            int from,
            int to,
            boolean near,
            Coefficients coefficients) {
        if (ON_ARRAYS && x.getClass() != float[].class) {
            ON_SEGMENTS.rows(x, xStart, y, yStart, rows, width, from, to, near, coefficients);
            return;
        }
        if (near && VectorMemory.MANY_REGISTERS) {
            strips(x, xStart, y, yStart, (int) rows, width, from, to, coefficients);
            return;
        }
        float[] centre = coefficients.centre;
        float[] scale = coefficients.scale;
        float[] offset = coefficients.offset;
        int touched = 0;
        long half = Blocks.rowsOfStream(rows, 2);
        long apart = half * width;
        long r = 0;
        if (VectorMemory.MANY_REGISTERS) {
            for (; r + 1 < half; r += 2) {
                long row = r * width;
                touched ^= fourRows(x, xStart + row, y, yStart + row, apart, width, from, to, centre, scale, offset);
            }
        } else {
            for (; r < half; r++) {
                long row = r * width;
                touched ^= twoRows(x, xStart + row, y, yStart + row, apart, from, to, centre, scale, offset);
            }
        }
        // What is left goes down strips: four of them are a method too large to be inlined here. Of one that is
        // inlined and rarely runs, the compiler would make objects for every vector.
        if (r < half) {
            strips(x, xStart + r * width, y, yStart + r * width, 2, apart, from, to, coefficients);
        }
        if (2 * half < rows) {
            long row = 2 * half * width;
            strips(x, xStart + row, y, yStart + row, (int) (rows - 2 * half), width, from, to, coefficients);
        }
        Tile.current().touched = touched;
    }

    private static void strips(
            Object x,
            long xStart,
            Object y,
            long yStart,
            int rows,
            long width,
            int from,
            int to,
            Coefficients coefficients) {
        int j = from;
        for (; j + 4 * LANES <= to; j += 4 * LANES) {
            fourStrips(x, xStart, y, yStart, rows, width, j, coefficients);
        }
        for (; j + LANES <= to; j += LANES) {
            strip(x, xStart, y, yStart, rows, width, j, coefficients);
        }
        for (; j < to; j++) {
            for (long at = j; at < j + rows * width; at += width) {
                one(
                        x,
                        xStart + at,
                        y,
                        yStart + at,
                        coefficients.centre[j],
                        coefficients.scale[j],
                        coefficients.offset[j]);
            }
        }
    }

    private static void fourStrips(
            Object x, long xStart, Object y, long yStart, int rows, long width, int j, Coefficients coefficients) {
        int k = j + LANES;
        int l = k + LANES;
        int m = l + LANES;
        FloatVector centre0 = FloatVector.fromArray(FLOATS, coefficients.centre, j);
        FloatVector centre1 = FloatVector.fromArray(FLOATS, coefficients.centre, k);
        FloatVector centre2 = FloatVector.fromArray(FLOATS, coefficients.centre, l);
        FloatVector centre3 = FloatVector.fromArray(FLOATS, coefficients.centre, m);
        FloatVector scale0 = FloatVector.fromArray(FLOATS, coefficients.scale, j);
        FloatVector scale1 = FloatVector.fromArray(FLOATS, coefficients.scale, k);
        FloatVector scale2 = FloatVector.fromArray(FLOATS, coefficients.scale, l);
        FloatVector scale3 = FloatVector.fromArray(FLOATS, coefficients.scale, m);
        FloatVector offset0 = FloatVector.fromArray(FLOATS, coefficients.offset, j);
        FloatVector offset1 = FloatVector.fromArray(FLOATS, coefficients.offset, k);
        FloatVector offset2 = FloatVector.fromArray(FLOATS, coefficients.offset, l);
        FloatVector offset3 = FloatVector.fromArray(FLOATS, coefficients.offset, m);
        long row = 0;
        for (int r = 0; r < rows; r++) {
            FloatVector v0 = load(x, xStart + row, j).lanewise(SUB, centre0).lanewise(FMA, scale0, offset0);
            FloatVector v1 = load(x, xStart + row, k).lanewise(SUB, centre1).lanewise(FMA, scale1, offset1);
            FloatVector v2 = load(x, xStart + row, l).lanewise(SUB, centre2).lanewise(FMA, scale2, offset2);
            FloatVector v3 = load(x, xStart + row, m).lanewise(SUB, centre3).lanewise(FMA, scale3, offset3);
            store(v0, y, yStart + row, j);
            store(v1, y, yStart + row, k);
            store(v2, y, yStart + row, l);
            store(v3, y, yStart + row, m);
            row += width;
        }
    }

    private static void strip(
            Object x, long xStart, Object y, long yStart, int rows, long width, int j, Coefficients coefficients) {
        FloatVector m = FloatVector.fromArray(FLOATS, coefficients.centre, j);
        FloatVector a = FloatVector.fromArray(FLOATS, coefficients.scale, j);
        FloatVector b = FloatVector.fromArray(FLOATS, coefficients.offset, j);
        long row = 0;
        for (int r = 0; r < rows; r++) {
            store(load(x, xStart + row, j).lanewise(SUB, m).lanewise(FMA, a, b), y, yStart + row, j);
            row += width;
        }
    }

    private static int fourRows(
            Object x,
            long xStart,
            Object y,
            long yStart,
            long apart,
            long width,
            int from,
            int to,
            float[] centre,
            float[] scale,
            float[] offset) {
        int touched = 0;
        int end = from + FLOATS.loopBound(to - from);
        for (int j = from; j < end; j += LANES) {
            touched ^= touch(y, yStart, j) ^ touch(y, yStart + apart, j);
            touched ^= touch(y, yStart + width, j) ^ touch(y, yStart + width + apart, j);
            FloatVector m = FloatVector.fromArray(FLOATS, centre, j);
            FloatVector a = FloatVector.fromArray(FLOATS, scale, j);
            FloatVector b = FloatVector.fromArray(FLOATS, offset, j);
            FloatVector v0 = load(x, xStart, j).lanewise(SUB, m).lanewise(FMA, a, b);
            FloatVector v1 = load(x, xStart + apart, j).lanewise(SUB, m).lanewise(FMA, a, b);
            FloatVector v2 = load(x, xStart + width, j).lanewise(SUB, m).lanewise(FMA, a, b);
            FloatVector v3 = load(x, xStart + width + apart, j).lanewise(SUB, m).lanewise(FMA, a, b);
            store(v0, y, yStart, j);
            store(v1, y, yStart + apart, j);
            store(v2, y, yStart + width, j);
            store(v3, y, yStart + width + apart, j);
        }
        for (int j = end; j < to; j++) {
            one(x, xStart + j, y, yStart + j, centre[j], scale[j], offset[j]);
            one(x, xStart + apart + j, y, yStart + apart + j, centre[j], scale[j], offset[j]);
            one(x, xStart + width + j, y, yStart + width + j, centre[j], scale[j], offset[j]);
            one(x, xStart + width + apart + j, y, yStart + width + apart + j, centre[j], scale[j], offset[j]);
        }
        return touched;
    }

    private static int twoRows(
            Object x,
            long xStart,
            Object y,
            long yStart,
            long apart,
            int from,
            int to,
            float[] centre,
            float[] scale,
            float[] offset) {
        int touched = 0;
        int end = from + FLOATS.loopBound(to - from);
        for (int j = from; j < end; j += LANES) {
            touched ^= touch(y, yStart, j) ^ touch(y, yStart + apart, j);
            FloatVector m = FloatVector.fromArray(FLOATS, centre, j);
            FloatVector a = FloatVector.fromArray(FLOATS, scale, j);
            FloatVector b = FloatVector.fromArray(FLOATS, offset, j);
            FloatVector first = load(x, xStart, j).lanewise(SUB, m).lanewise(FMA, a, b);
            FloatVector second = load(x, xStart + apart, j).lanewise(SUB, m).lanewise(FMA, a, b);
            store(first, y, yStart, j);
            store(second, y, yStart + apart, j);
        }
        for (int j = end; j < to; j++) {
            one(x, xStart + j, y, yStart + j, centre[j], scale[j], offset[j]);
            one(x, xStart + apart + j, y, yStart + apart + j, centre[j], scale[j], offset[j]);
        }
        return touched;
    }

    private static void one(Object x, long xAt, Object y, long yAt, float centre, float scale, float offset) {
        Memory.set(y, yAt, Math.fma(Memory.get(x, xAt) - centre, scale, offset));
    }

    @Override
    public void runs(
            Object x,
            long xStart,
            Object y,
            long yStart,
            long images,
            long imageApart,
            int from,
            int to,
            long channelApart,
            int length,
            Coefficients coefficients) {
        if (ON_ARRAYS && x.getClass() != float[].class) {
            ON_SEGMENTS.runs(x, xStart, y, yStart, images, imageApart, from, to, channelApart, length, coefficients);
            return;
        }
        int touched = 0;
        long half = Blocks.rowsOfStream(images, 2);
        for (long i = 0; i < half; i++) {
            for (int c = from; c < to; c++) {
                long run = i * imageApart + (c - from) * channelApart;
                touched ^= twoRuns(x, xStart + run, y, yStart + run, half * imageApart, length, c, coefficients);
            }
        }
        for (long i = 2 * half; i < images; i++) {
            for (int c = from; c < to; c++) {
                long run = i * imageApart + (c - from) * channelApart;
                touched ^= oneRun(x, xStart + run, y, yStart + run, length, c, coefficients);
            }
        }
        Tile.current().touched = touched;
    }

    private static int twoRuns(
            Object x, long xStart, Object y, long yStart, long apart, int length, int c, Coefficients coefficients) {
        float centre = coefficients.centre[c];
        float scale = coefficients.scale[c];
        float offset = coefficients.offset[c];
        if (length < LANES) {
            for (int j = 0; j < length; j++) {
                one(x, xStart + j, y, yStart + j, centre, scale, offset);
                one(x, xStart + apart + j, y, yStart + apart + j, centre, scale, offset);
            }
            return 0;
        }
        FloatVector m = FloatVector.broadcast(FLOATS, centre);
        FloatVector a = FloatVector.broadcast(FLOATS, scale);
        FloatVector b = FloatVector.broadcast(FLOATS, offset);
        // The last vectors overlap the ones before. Their inputs are read first: y may be x.
        int end = length - LANES;
        FloatVector last0 = load(x, xStart, end).lanewise(SUB, m).lanewise(FMA, a, b);
        FloatVector last1 = load(x, xStart + apart, end).lanewise(SUB, m).lanewise(FMA, a, b);
        int touched = 0;
        for (int j = 0; j < end; j += LANES) {
            touched ^= touch(y, yStart, j) ^ touch(y, yStart + apart, j);
            FloatVector v0 = load(x, xStart, j).lanewise(SUB, m).lanewise(FMA, a, b);
            FloatVector v1 = load(x, xStart + apart, j).lanewise(SUB, m).lanewise(FMA, a, b);
            store(v0, y, yStart, j);
            store(v1, y, yStart + apart, j);
        }
        store(last0, y, yStart, end);
        store(last1, y, yStart + apart, end);
        return touched;
    }

    /** One run as two: its halves. */
    private static int oneRun(
            Object x, long xStart, Object y, long yStart, int length, int c, Coefficients coefficients) {
        int half = length / 2;
        int touched = twoRuns(x, xStart, y, yStart, half, half, c, coefficients);
        for (int j = 2 * half; j < length; j++) {
            one(x, xStart + j, y, yStart + j, coefficients.centre[c], coefficients.scale[c], coefficients.offset[c]);
        }
        return touched;
    }

    private static FloatVector load(Object memory, long start, int j) {
        return VectorMemory.load(ON_ARRAYS, memory, start, j);
    }

    private static int touch(Object memory, long start, int j) {
        return VectorMemory.touch(ON_ARRAYS, memory, start, j);
    }

    private static void store(FloatVector vector, Object memory, long start, int j) {
        VectorMemory.store(ON_ARRAYS, vector, memory, start, j);
    }
}
