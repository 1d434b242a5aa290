package org.batchnorm.cpu;

import static org.batchnorm.cpu.VectorMemory.FLOATS;

import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;

/** {@link InputGradient} on the Vector API. The idea is that of {@link VectorTransform}: rows go in pairs, one from either half. */
final class VectorInputGradient extends PlainInputGradient {
    private static final boolean ON_ARRAYS = VectorMemory.onArrays(MethodHandles.lookup());
    private static final int LANES = FLOATS.length();

    @Override
    public void rows(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            Object dx,
            long dxStart,
            long rows,
            long width,
            int from,
            int to,
            Coefficients coefficients) {
        int end = from + FLOATS.loopBound(to - from);
        long half = Blocks.rowsOfStream(rows, 2, width);
        for (long r = 0; r < half; r++) {
            long row = r * width;
            twoRows(x, xStart + row, dy, dyStart + row, dx, dxStart + row, half * width, from, end, coefficients);
        }
        for (long r = 2 * half; r < rows; r++) {
            long row = r * width;
            oneRow(x, xStart + row, dy, dyStart + row, dx, dxStart + row, from, end, coefficients);
        }
        if (end < to) {
            super.rows(x, xStart, dy, dyStart, dx, dxStart, rows, width, end, to, coefficients);
        }
    }

    private static void twoRows(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            Object dx,
            long dxStart,
            long apart,
            int from,
            int to,
            Coefficients coefficients) {
        if (from == to) {
            return; // VectorWarmUp says why.
        }
        float[] centre = coefficients.centre;
        float[] dyCentre = coefficients.dyCentre;
        float[] scale = coefficients.scale;
        float[] slope = coefficients.slope;
        float[] offset = coefficients.offset;
        for (int j = from; j < to; j += LANES) {
            FloatVector m = FloatVector.fromArray(FLOATS, centre, j);
            FloatVector g = FloatVector.fromArray(FLOATS, dyCentre, j);
            FloatVector a = FloatVector.fromArray(FLOATS, scale, j);
            FloatVector k = FloatVector.fromArray(FLOATS, slope, j);
            FloatVector b = FloatVector.fromArray(FLOATS, offset, j);
            FloatVector t0 = load(dy, dyStart + j).sub(g);
            FloatVector t1 = load(dy, dyStart + apart + j).sub(g);
            FloatVector first = load(x, xStart + j).sub(m).fma(k, t0).add(b).mul(a);
            FloatVector second =
                    load(x, xStart + apart + j).sub(m).fma(k, t1).add(b).mul(a);
            store(first, dx, dxStart + j);
            store(second, dx, dxStart + apart + j);
        }
    }

    private static void oneRow(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            Object dx,
            long dxStart,
            int from,
            int to,
            Coefficients coefficients) {
        if (from == to) {
            return; // VectorWarmUp says why.
        }
        float[] centre = coefficients.centre;
        float[] dyCentre = coefficients.dyCentre;
        float[] scale = coefficients.scale;
        float[] slope = coefficients.slope;
        float[] offset = coefficients.offset;
        for (int j = from; j < to; j += LANES) {
            FloatVector m = FloatVector.fromArray(FLOATS, centre, j);
            FloatVector g = FloatVector.fromArray(FLOATS, dyCentre, j);
            FloatVector a = FloatVector.fromArray(FLOATS, scale, j);
            FloatVector k = FloatVector.fromArray(FLOATS, slope, j);
            FloatVector b = FloatVector.fromArray(FLOATS, offset, j);
            FloatVector t = load(dy, dyStart + j).sub(g);
            store(load(x, xStart + j).sub(m).fma(k, t).add(b).mul(a), dx, dxStart + j);
        }
    }

    @Override
    public void runs(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            Object dx,
            long dxStart,
            int from,
            int to,
            long channelApart,
            int length,
            Coefficients coefficients) {
        if (length < LANES) {
            super.runs(x, xStart, dy, dyStart, dx, dxStart, from, to, channelApart, length, coefficients);
            return;
        }
        for (int c = from; c < to; c++) {
            long run = (c - from) * channelApart;
            oneRun(x, xStart + run, dy, dyStart + run, dx, dxStart + run, length, c, coefficients);
        }
    }

    private static void oneRun(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            Object dx,
            long dxStart,
            int length,
            int c,
            Coefficients coefficients) {
        FloatVector m = FloatVector.broadcast(FLOATS, coefficients.centre[c]);
        FloatVector g = FloatVector.broadcast(FLOATS, coefficients.dyCentre[c]);
        FloatVector a = FloatVector.broadcast(FLOATS, coefficients.scale[c]);
        FloatVector k = FloatVector.broadcast(FLOATS, coefficients.slope[c]);
        FloatVector b = FloatVector.broadcast(FLOATS, coefficients.offset[c]);
        // The last vector overlaps the one before. Its inputs are read first: dx may be x or dy.
        int end = length - LANES;
        FloatVector last = load(dy, dyStart + end).sub(g);
        last = load(x, xStart + end).sub(m).fma(k, last).add(b).mul(a);
        for (int j = 0; j < end; j += LANES) {
            FloatVector t = load(dy, dyStart + j).sub(g);
            store(load(x, xStart + j).sub(m).fma(k, t).add(b).mul(a), dx, dxStart + j);
        }
        store(last, dx, dxStart + end);
    }

    private static FloatVector load(Object memory, long position) {
        return VectorMemory.load(ON_ARRAYS, memory, position);
    }

    private static void store(FloatVector vector, Object memory, long position) {
        VectorMemory.store(ON_ARRAYS, vector, memory, position);
    }
}
