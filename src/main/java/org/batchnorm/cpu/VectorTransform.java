package org.batchnorm.cpu;

import static org.batchnorm.cpu.VectorMemory.FLOATS;

import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;

/** {@link Transform} on the Vector API. The one idea: rows go in pairs, one from either half, so that the coefficients are loaded once for two and
 * the prefetcher sees two long streams. Long runs go in halves for the latter reason alone. */
final class VectorTransform implements Transform {
    private static final boolean ON_ARRAYS = VectorMemory.onArrays(MethodHandles.lookup());
    private static final Transform ON_SEGMENTS = VectorMemory.onSegments(MethodHandles.lookup(), Transform.class);
    private static final int LANES = FLOATS.length();

    /** Runs of at least so many values go in halves. */
    private static final int LONG = 2048;

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
            Coefficients coefficients) {
        if (ON_ARRAYS && x.getClass() != float[].class) {
            ON_SEGMENTS.rows(x, xStart, y, yStart, rows, width, from, to, coefficients);
            return;
        }
        float[] centre = coefficients.centre;
        float[] scale = coefficients.scale;
        float[] offset = coefficients.offset;
        long half = Blocks.rowsOfStream(rows, 2);
        for (long r = 0; r < half; r++) {
            twoRows(x, xStart + r * width, y, yStart + r * width, half * width, from, to, centre, scale, offset);
        }
        for (long r = 2 * half; r < rows; r++) {
            oneRow(x, xStart + r * width, y, yStart + r * width, from, to, centre, scale, offset);
        }
    }

    private static void twoRows(
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
        int end = from + FLOATS.loopBound(to - from);
        for (int j = from; j < end; j += LANES) {
            FloatVector m = FloatVector.fromArray(FLOATS, centre, j);
            FloatVector a = FloatVector.fromArray(FLOATS, scale, j);
            FloatVector b = FloatVector.fromArray(FLOATS, offset, j);
            FloatVector first = load(x, xStart, j).sub(m).fma(a, b);
            FloatVector second = load(x, xStart + apart, j).sub(m).fma(a, b);
            store(first, y, yStart, j);
            store(second, y, yStart + apart, j);
        }
        for (int j = end; j < to; j++) {
            one(x, xStart + j, y, yStart + j, centre[j], scale[j], offset[j]);
            one(x, xStart + apart + j, y, yStart + apart + j, centre[j], scale[j], offset[j]);
        }
    }

    private static void oneRow(
            Object x,
            long xStart,
            Object y,
            long yStart,
            int from,
            int to,
            float[] centre,
            float[] scale,
            float[] offset) {
        int end = from + FLOATS.loopBound(to - from);
        for (int j = from; j < end; j += LANES) {
            FloatVector m = FloatVector.fromArray(FLOATS, centre, j);
            FloatVector a = FloatVector.fromArray(FLOATS, scale, j);
            FloatVector b = FloatVector.fromArray(FLOATS, offset, j);
            store(load(x, xStart, j).sub(m).fma(a, b), y, yStart, j);
        }
        for (int j = end; j < to; j++) {
            one(x, xStart + j, y, yStart + j, centre[j], scale[j], offset[j]);
        }
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
            int from,
            int to,
            long channelApart,
            int length,
            Coefficients coefficients) {
        if (ON_ARRAYS && x.getClass() != float[].class) {
            ON_SEGMENTS.runs(x, xStart, y, yStart, from, to, channelApart, length, coefficients);
            return;
        }
        for (int c = from; c < to; c++) {
            long run = (c - from) * channelApart;
            float centre = coefficients.centre[c];
            float scale = coefficients.scale[c];
            float offset = coefficients.offset[c];
            int done = 0;
            if (length >= LONG) {
                int half = FLOATS.loopBound(length / 2);
                twoRuns(x, xStart + run, y, yStart + run, half, centre, scale, offset);
                done = 2 * half;
            } else if (length >= LANES) {
                oneRun(x, xStart + run, y, yStart + run, length, centre, scale, offset);
                done = length;
            }
            for (int j = done; j < length; j++) {
                one(x, xStart + run + j, y, yStart + run + j, centre, scale, offset);
            }
        }
    }

    /** A run of twice {@code length}: its halves are two streams. */
    private static void twoRuns(
            Object x, long xStart, Object y, long yStart, int length, float centre, float scale, float offset) {
        FloatVector m = FloatVector.broadcast(FLOATS, centre);
        FloatVector a = FloatVector.broadcast(FLOATS, scale);
        FloatVector b = FloatVector.broadcast(FLOATS, offset);
        for (int j = 0; j < length; j += LANES) {
            FloatVector first = load(x, xStart, j).sub(m).fma(a, b);
            FloatVector second = load(x, xStart + length, j).sub(m).fma(a, b);
            store(first, y, yStart, j);
            store(second, y, yStart + length, j);
        }
    }

    private static void oneRun(
            Object x, long xStart, Object y, long yStart, int length, float centre, float scale, float offset) {
        FloatVector m = FloatVector.broadcast(FLOATS, centre);
        FloatVector a = FloatVector.broadcast(FLOATS, scale);
        FloatVector b = FloatVector.broadcast(FLOATS, offset);
        // The last vector overlaps the one before. Its input is read first: y may be x.
        FloatVector last = load(x, xStart, length - LANES).sub(m).fma(a, b);
        for (int j = 0; j < length - LANES; j += LANES) {
            store(load(x, xStart, j).sub(m).fma(a, b), y, yStart, j);
        }
        store(last, y, yStart, length - LANES);
    }

    private static FloatVector load(Object memory, long start, int j) {
        return VectorMemory.load(ON_ARRAYS, memory, start, j);
    }

    private static void store(FloatVector vector, Object memory, long start, int j) {
        VectorMemory.store(ON_ARRAYS, vector, memory, start, j);
    }
}
