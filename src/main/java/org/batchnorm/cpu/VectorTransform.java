package org.batchnorm.cpu;

import static org.batchnorm.cpu.VectorMemory.FLOATS;

import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;

/** {@link Transform} on the Vector API. The one idea: rows go in pairs, one from either half, so that the coefficients are loaded once for two and the prefetcher sees two long streams. */
final class VectorTransform extends PlainTransform {
    private static final boolean ON_ARRAYS = VectorMemory.onArrays(MethodHandles.lookup());
    private static final int LANES = FLOATS.length();

    /** Runs of at least this length are read as two streams. */
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
        float[] centre = coefficients.centre;
        float[] scale = coefficients.scale;
        float[] offset = coefficients.offset;
        int end = from + FLOATS.loopBound(to - from);
        long half = Blocks.rowsOfStream(rows, 2, width);
        for (long r = 0; r < half; r++) {
            twoRows(x, xStart + r * width, y, yStart + r * width, half * width, from, end, centre, scale, offset);
        }
        for (long r = 2 * half; r < rows; r++) {
            oneRow(x, xStart + r * width, y, yStart + r * width, from, end, centre, scale, offset);
        }
        if (end < to) {
            super.rows(x, xStart, y, yStart, rows, width, end, to, coefficients);
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
        if (from == to) {
            return; // VectorWarmUp says why.
        }
        for (int j = from; j < to; j += LANES) {
            FloatVector m = FloatVector.fromArray(FLOATS, centre, j);
            FloatVector a = FloatVector.fromArray(FLOATS, scale, j);
            FloatVector b = FloatVector.fromArray(FLOATS, offset, j);
            FloatVector first = load(x, xStart + j).sub(m).fma(a, b);
            FloatVector second = load(x, xStart + apart + j).sub(m).fma(a, b);
            store(first, y, yStart + j);
            store(second, y, yStart + apart + j);
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
        if (from == to) {
            return; // VectorWarmUp says why.
        }
        for (int j = from; j < to; j += LANES) {
            FloatVector m = FloatVector.fromArray(FLOATS, centre, j);
            FloatVector a = FloatVector.fromArray(FLOATS, scale, j);
            FloatVector b = FloatVector.fromArray(FLOATS, offset, j);
            store(load(x, xStart + j).sub(m).fma(a, b), y, yStart + j);
        }
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
        if (length < LANES) {
            super.runs(x, xStart, y, yStart, from, to, channelApart, length, coefficients);
            return;
        }
        for (int c = from; c < to; c++) {
            long run = (c - from) * channelApart;
            float centre = coefficients.centre[c];
            float scale = coefficients.scale[c];
            float offset = coefficients.offset[c];
            if (length < LONG) {
                oneRun(x, xStart + run, y, yStart + run, length, centre, scale, offset);
                continue;
            }
            int half = FLOATS.loopBound(length / 2);
            twoRuns(x, xStart + run, y, yStart + run, half, centre, scale, offset);
            long rest = run + 2L * half;
            super.runs(x, xStart + rest, y, yStart + rest, c, c + 1, 0, length - 2 * half, coefficients);
        }
    }

    private static void twoRuns(
            Object x, long xStart, Object y, long yStart, int length, float centre, float scale, float offset) {
        FloatVector m = FloatVector.broadcast(FLOATS, centre);
        FloatVector a = FloatVector.broadcast(FLOATS, scale);
        FloatVector b = FloatVector.broadcast(FLOATS, offset);
        for (int j = 0; j < length; j += LANES) {
            FloatVector first = load(x, xStart + j).sub(m).fma(a, b);
            FloatVector second = load(x, xStart + length + j).sub(m).fma(a, b);
            store(first, y, yStart + j);
            store(second, y, yStart + length + j);
        }
    }

    private static void oneRun(
            Object x, long xStart, Object y, long yStart, int length, float centre, float scale, float offset) {
        FloatVector m = FloatVector.broadcast(FLOATS, centre);
        FloatVector a = FloatVector.broadcast(FLOATS, scale);
        FloatVector b = FloatVector.broadcast(FLOATS, offset);
        // The last vector overlaps the one before. Its input is read first: y may be x.
        FloatVector last = load(x, xStart + length - LANES).sub(m).fma(a, b);
        for (int j = 0; j < length - LANES; j += LANES) {
            store(load(x, xStart + j).sub(m).fma(a, b), y, yStart + j);
        }
        store(last, y, yStart + length - LANES);
    }

    private static FloatVector load(Object memory, long position) {
        return VectorMemory.load(ON_ARRAYS, memory, position);
    }

    private static void store(FloatVector vector, Object memory, long position) {
        VectorMemory.store(ON_ARRAYS, vector, memory, position);
    }
}
