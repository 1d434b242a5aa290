package org.batchnorm.cpu;

import static org.batchnorm.cpu.VectorMemory.FLOATS;

import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;

/**
 * {@link InputGradient} on the Vector API. The idea is that of {@link VectorTransform}: rows go in pairs, one from either half, and so do runs. Two pairs of rows go together only where the tensors stay
 * in the caches: elsewhere so many streams cost more than the loads of coefficients that they save.
 */
final class VectorInputGradient implements InputGradient {
    private static final boolean ON_ARRAYS = VectorMemory.onArrays(MethodHandles.lookup());
    private static final InputGradient ON_SEGMENTS =
            VectorMemory.onSegments(MethodHandles.lookup(), InputGradient.class);
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
            boolean cached,
            Coefficients coefficients) {
        if (ON_ARRAYS && x.getClass() != float[].class) {
            ON_SEGMENTS.rows(x, xStart, dy, dyStart, dx, dxStart, rows, width, from, to, cached, coefficients);
            return;
        }
        int touched = 0;
        long half = Blocks.rowsOfStream(rows, 2);
        long apart = half * width;
        long r = 0;
        // On segments so many accesses are more than the compiler inlines into one method: 34 times slower.
        if (ON_ARRAYS && cached && VectorMemory.MANY_REGISTERS) {
            for (; r + 1 < half; r += 2) {
                long row = r * width;
                touched ^= fourRows(
                        x, xStart + row, dy, dyStart + row, dx, dxStart + row, apart, width, from, to, coefficients);
            }
        }
        for (; r < half; r++) {
            long row = r * width;
            touched ^= twoRows(x, xStart + row, dy, dyStart + row, dx, dxStart + row, apart, from, to, coefficients);
        }
        for (r = 2 * half; r < rows; r++) {
            long row = r * width;
            oneRow(x, xStart + row, dy, dyStart + row, dx, dxStart + row, from, to, coefficients);
        }
        Tile.current().touched = touched;
    }

    private static int fourRows(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            Object dx,
            long dxStart,
            long apart,
            long width,
            int from,
            int to,
            Coefficients coefficients) {
        float[] centre = coefficients.centre;
        float[] dyCentre = coefficients.dyCentre;
        float[] scale = coefficients.scale;
        float[] slope = coefficients.slope;
        float[] offset = coefficients.offset;
        int end = from + FLOATS.loopBound(to - from);
        int touched = 0;
        for (int j = from; j < end; j += LANES) {
            touched ^= touch(dx, dxStart, j) ^ touch(dx, dxStart + apart, j);
            touched ^= touch(dx, dxStart + width, j) ^ touch(dx, dxStart + width + apart, j);
            FloatVector m = FloatVector.fromArray(FLOATS, centre, j);
            FloatVector g = FloatVector.fromArray(FLOATS, dyCentre, j);
            FloatVector a = FloatVector.fromArray(FLOATS, scale, j);
            FloatVector k = FloatVector.fromArray(FLOATS, slope, j);
            FloatVector b = FloatVector.fromArray(FLOATS, offset, j);
            FloatVector t0 = load(dy, dyStart, j).sub(g);
            FloatVector t1 = load(dy, dyStart + apart, j).sub(g);
            FloatVector t2 = load(dy, dyStart + width, j).sub(g);
            FloatVector t3 = load(dy, dyStart + width + apart, j).sub(g);
            FloatVector v0 = load(x, xStart, j).sub(m).fma(k, t0).add(b).mul(a);
            FloatVector v1 = load(x, xStart + apart, j).sub(m).fma(k, t1).add(b).mul(a);
            FloatVector v2 = load(x, xStart + width, j).sub(m).fma(k, t2).add(b).mul(a);
            FloatVector v3 =
                    load(x, xStart + width + apart, j).sub(m).fma(k, t3).add(b).mul(a);
            store(v0, dx, dxStart, j);
            store(v1, dx, dxStart + apart, j);
            store(v2, dx, dxStart + width, j);
            store(v3, dx, dxStart + width + apart, j);
        }
        for (int j = end; j < to; j++) {
            one(x, xStart + j, dy, dyStart + j, dx, dxStart + j, j, coefficients);
            long at = apart + j;
            one(x, xStart + at, dy, dyStart + at, dx, dxStart + at, j, coefficients);
            at = width + j;
            one(x, xStart + at, dy, dyStart + at, dx, dxStart + at, j, coefficients);
            at = width + apart + j;
            one(x, xStart + at, dy, dyStart + at, dx, dxStart + at, j, coefficients);
        }
        return touched;
    }

    private static int twoRows(
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
        float[] centre = coefficients.centre;
        float[] dyCentre = coefficients.dyCentre;
        float[] scale = coefficients.scale;
        float[] slope = coefficients.slope;
        float[] offset = coefficients.offset;
        int end = from + FLOATS.loopBound(to - from);
        int touched = 0;
        for (int j = from; j < end; j += LANES) {
            touched ^= touch(dx, dxStart, j) ^ touch(dx, dxStart + apart, j);
            FloatVector m = FloatVector.fromArray(FLOATS, centre, j);
            FloatVector g = FloatVector.fromArray(FLOATS, dyCentre, j);
            FloatVector a = FloatVector.fromArray(FLOATS, scale, j);
            FloatVector k = FloatVector.fromArray(FLOATS, slope, j);
            FloatVector b = FloatVector.fromArray(FLOATS, offset, j);
            FloatVector t0 = load(dy, dyStart, j).sub(g);
            FloatVector t1 = load(dy, dyStart + apart, j).sub(g);
            FloatVector first = load(x, xStart, j).sub(m).fma(k, t0).add(b).mul(a);
            FloatVector second =
                    load(x, xStart + apart, j).sub(m).fma(k, t1).add(b).mul(a);
            store(first, dx, dxStart, j);
            store(second, dx, dxStart + apart, j);
        }
        for (int j = end; j < to; j++) {
            one(x, xStart + j, dy, dyStart + j, dx, dxStart + j, j, coefficients);
            one(x, xStart + apart + j, dy, dyStart + apart + j, dx, dxStart + apart + j, j, coefficients);
        }
        return touched;
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
        float[] centre = coefficients.centre;
        float[] dyCentre = coefficients.dyCentre;
        float[] scale = coefficients.scale;
        float[] slope = coefficients.slope;
        float[] offset = coefficients.offset;
        int end = from + FLOATS.loopBound(to - from);
        for (int j = from; j < end; j += LANES) {
            FloatVector m = FloatVector.fromArray(FLOATS, centre, j);
            FloatVector g = FloatVector.fromArray(FLOATS, dyCentre, j);
            FloatVector a = FloatVector.fromArray(FLOATS, scale, j);
            FloatVector k = FloatVector.fromArray(FLOATS, slope, j);
            FloatVector b = FloatVector.fromArray(FLOATS, offset, j);
            FloatVector t = load(dy, dyStart, j).sub(g);
            store(load(x, xStart, j).sub(m).fma(k, t).add(b).mul(a), dx, dxStart, j);
        }
        for (int j = end; j < to; j++) {
            one(x, xStart + j, dy, dyStart + j, dx, dxStart + j, j, coefficients);
        }
    }

    private static void one(
            Object x, long xAt, Object dy, long dyAt, Object dx, long dxAt, int j, Coefficients coefficients) {
        float t = Memory.get(dy, dyAt) - coefficients.dyCentre[j];
        float sum = Math.fma(Memory.get(x, xAt) - coefficients.centre[j], coefficients.slope[j], t);
        Memory.set(dx, dxAt, (sum + coefficients.offset[j]) * coefficients.scale[j]);
    }

    @Override
    public void runs(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            Object dx,
            long dxStart,
            long images,
            long imageApart,
            int from,
            int to,
            long channelApart,
            int length,
            Coefficients coefficients) {
        if (ON_ARRAYS && x.getClass() != float[].class) {
            ON_SEGMENTS.runs(
                    x,
                    xStart,
                    dy,
                    dyStart,
                    dx,
                    dxStart,
                    images,
                    imageApart,
                    from,
                    to,
                    channelApart,
                    length,
                    coefficients);
            return;
        }
        int touched = 0;
        long half = Blocks.rowsOfStream(images, 2);
        long apart = half * imageApart;
        for (long i = 0; i < half; i++) {
            for (int c = from; c < to; c++) {
                long run = i * imageApart + (c - from) * channelApart;
                touched ^=
                        twoRuns(x, xStart + run, dy, dyStart + run, dx, dxStart + run, apart, length, c, coefficients);
            }
        }
        for (long i = 2 * half; i < images; i++) {
            for (int c = from; c < to; c++) {
                long run = i * imageApart + (c - from) * channelApart;
                touched ^= oneRun(x, xStart + run, dy, dyStart + run, dx, dxStart + run, length, c, coefficients);
            }
        }
        Tile.current().touched = touched;
    }

    private static int twoRuns(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            Object dx,
            long dxStart,
            long apart,
            int length,
            int c,
            Coefficients coefficients) {
        if (length < LANES) {
            for (int j = 0; j < length; j++) {
                one(x, xStart + j, dy, dyStart + j, dx, dxStart + j, c, coefficients);
                one(x, xStart + apart + j, dy, dyStart + apart + j, dx, dxStart + apart + j, c, coefficients);
            }
            return 0;
        }
        FloatVector m = FloatVector.broadcast(FLOATS, coefficients.centre[c]);
        FloatVector g = FloatVector.broadcast(FLOATS, coefficients.dyCentre[c]);
        FloatVector a = FloatVector.broadcast(FLOATS, coefficients.scale[c]);
        FloatVector k = FloatVector.broadcast(FLOATS, coefficients.slope[c]);
        FloatVector b = FloatVector.broadcast(FLOATS, coefficients.offset[c]);
        // The last vectors overlap the ones before. Their inputs are read first: dx may be x or dy.
        int end = length - LANES;
        FloatVector last0 = load(dy, dyStart, end).sub(g);
        FloatVector last1 = load(dy, dyStart + apart, end).sub(g);
        last0 = load(x, xStart, end).sub(m).fma(k, last0).add(b).mul(a);
        last1 = load(x, xStart + apart, end).sub(m).fma(k, last1).add(b).mul(a);
        int touched = 0;
        for (int j = 0; j < end; j += LANES) {
            touched ^= touch(dx, dxStart, j) ^ touch(dx, dxStart + apart, j);
            FloatVector t0 = load(dy, dyStart, j).sub(g);
            FloatVector t1 = load(dy, dyStart + apart, j).sub(g);
            FloatVector first = load(x, xStart, j).sub(m).fma(k, t0).add(b).mul(a);
            FloatVector second =
                    load(x, xStart + apart, j).sub(m).fma(k, t1).add(b).mul(a);
            store(first, dx, dxStart, j);
            store(second, dx, dxStart + apart, j);
        }
        store(last0, dx, dxStart, end);
        store(last1, dx, dxStart + apart, end);
        return touched;
    }

    /** One run as two: its halves. */
    private static int oneRun(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            Object dx,
            long dxStart,
            int length,
            int c,
            Coefficients coefficients) {
        int half = length / 2;
        int touched = twoRuns(x, xStart, dy, dyStart, dx, dxStart, half, half, c, coefficients);
        for (int j = 2 * half; j < length; j++) {
            one(x, xStart + j, dy, dyStart + j, dx, dxStart + j, c, coefficients);
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
