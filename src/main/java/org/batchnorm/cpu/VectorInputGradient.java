package org.batchnorm.cpu;

import static jdk.incubator.vector.VectorOperators.FMA;
import static jdk.incubator.vector.VectorOperators.SUB;
import static org.batchnorm.cpu.VectorMemory.FLOATS;

import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;

/**
 * {@link InputGradient} on the Vector API. The idea is that of {@link VectorTransform}: rows go in pairs, one from
 * either half, and so do runs. Where the tensors stay in the caches, columns are gone down in strips instead, with
 * their coefficients in registers.
 */
final class VectorInputGradient implements InputGradient {
    private static final boolean ON_ARRAYS = VectorMemory.onArrays(MethodHandles.lookup());
    private static final InputGradient ON_SEGMENTS =
            VectorMemory.onSegments(MethodHandles.lookup(), InputGradient.class);
    private static final int LANES = FLOATS.length();

    /**
     * Rows of a strip: few, so that the lines in which strips meet are still in the first-level cache when the next one
     * comes.
     */
    private static final int STRIP_ROWS = 8;

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
        // On segments, strips are more than the compiler inlines into one method: 30 times slower.
        if (ON_ARRAYS && cached && VectorMemory.MANY_REGISTERS) {
            for (long r = 0; r < rows; r += STRIP_ROWS) {
                int row = (int) (r * width);
                int height = (int) Math.min(STRIP_ROWS, rows - r);
                strips(
                        (float[]) x,
                        (int) xStart + row,
                        (float[]) dy,
                        (int) dyStart + row,
                        (float[]) dx,
                        (int) dxStart + row,
                        height,
                        (int) width,
                        from,
                        to,
                        coefficients);
            }
            return;
        }
        int touched = 0;
        long half = Blocks.rowsOfStream(rows, 2);
        long apart = half * width;
        long r = 0;
        for (; r < half; r++) {
            long row = r * width;
            touched ^= twoRows(x, xStart + row, dy, dyStart + row, dx, dxStart + row, apart, from, to, coefficients);
        }
        // What is left in pairs, too: the method of one row is so small that it is inlined here, and of calls that are
        // rare the compiler would make objects for every vector.
        for (r = 2 * half; r + 1 < rows; r += 2) {
            long row = r * width;
            touched ^= twoRows(x, xStart + row, dy, dyStart + row, dx, dxStart + row, width, from, to, coefficients);
        }
        if (r < rows) {
            long row = r * width;
            oneRow(x, xStart + row, dy, dyStart + row, dx, dxStart + row, from, to, coefficients);
        }
        Tile.current().touched = touched;
    }

    private static void strips(
            float[] x,
            int xStart,
            float[] dy,
            int dyStart,
            float[] dx,
            int dxStart,
            int rows,
            int width,
            int from,
            int to,
            Coefficients coefficients) {
        int j = from;
        for (; j + 4 * LANES <= to; j += 4 * LANES) {
            fourStrips(x, xStart, dy, dyStart, dx, dxStart, rows, width, j, coefficients);
        }
        for (; j + LANES <= to; j += LANES) {
            strip(x, xStart, dy, dyStart, dx, dxStart, rows, width, j, coefficients);
        }
        for (; j < to; j++) {
            for (int at = j; at < j + rows * width; at += width) {
                one(x, xStart + at, dy, dyStart + at, dx, dxStart + at, j, coefficients);
            }
        }
    }

    private static void fourStrips(
            float[] x,
            int xStart,
            float[] dy,
            int dyStart,
            float[] dx,
            int dxStart,
            int rows,
            int width,
            int j,
            Coefficients coefficients) {
        int k = j + LANES;
        int l = k + LANES;
        int m = l + LANES;
        FloatVector centre0 = FloatVector.fromArray(FLOATS, coefficients.centre, j);
        FloatVector centre1 = FloatVector.fromArray(FLOATS, coefficients.centre, k);
        FloatVector centre2 = FloatVector.fromArray(FLOATS, coefficients.centre, l);
        FloatVector centre3 = FloatVector.fromArray(FLOATS, coefficients.centre, m);
        FloatVector dyCentre0 = FloatVector.fromArray(FLOATS, coefficients.dyCentre, j);
        FloatVector dyCentre1 = FloatVector.fromArray(FLOATS, coefficients.dyCentre, k);
        FloatVector dyCentre2 = FloatVector.fromArray(FLOATS, coefficients.dyCentre, l);
        FloatVector dyCentre3 = FloatVector.fromArray(FLOATS, coefficients.dyCentre, m);
        FloatVector scale0 = FloatVector.fromArray(FLOATS, coefficients.scale, j);
        FloatVector scale1 = FloatVector.fromArray(FLOATS, coefficients.scale, k);
        FloatVector scale2 = FloatVector.fromArray(FLOATS, coefficients.scale, l);
        FloatVector scale3 = FloatVector.fromArray(FLOATS, coefficients.scale, m);
        FloatVector slope0 = FloatVector.fromArray(FLOATS, coefficients.slope, j);
        FloatVector slope1 = FloatVector.fromArray(FLOATS, coefficients.slope, k);
        FloatVector slope2 = FloatVector.fromArray(FLOATS, coefficients.slope, l);
        FloatVector slope3 = FloatVector.fromArray(FLOATS, coefficients.slope, m);
        FloatVector offset0 = FloatVector.fromArray(FLOATS, coefficients.offset, j);
        FloatVector offset1 = FloatVector.fromArray(FLOATS, coefficients.offset, k);
        FloatVector offset2 = FloatVector.fromArray(FLOATS, coefficients.offset, l);
        FloatVector offset3 = FloatVector.fromArray(FLOATS, coefficients.offset, m);
        int row = 0;
        for (int r = 0; r < rows; r++) {
            FloatVector t0 =
                    FloatVector.fromArray(FLOATS, dy, dyStart + row + j).lanewise(SUB, dyCentre0);
            FloatVector t1 =
                    FloatVector.fromArray(FLOATS, dy, dyStart + row + k).lanewise(SUB, dyCentre1);
            FloatVector t2 =
                    FloatVector.fromArray(FLOATS, dy, dyStart + row + l).lanewise(SUB, dyCentre2);
            FloatVector t3 =
                    FloatVector.fromArray(FLOATS, dy, dyStart + row + m).lanewise(SUB, dyCentre3);
            t0 = FloatVector.fromArray(FLOATS, x, xStart + row + j)
                    .lanewise(SUB, centre0)
                    .lanewise(FMA, slope0, t0);
            t1 = FloatVector.fromArray(FLOATS, x, xStart + row + k)
                    .lanewise(SUB, centre1)
                    .lanewise(FMA, slope1, t1);
            t2 = FloatVector.fromArray(FLOATS, x, xStart + row + l)
                    .lanewise(SUB, centre2)
                    .lanewise(FMA, slope2, t2);
            t3 = FloatVector.fromArray(FLOATS, x, xStart + row + m)
                    .lanewise(SUB, centre3)
                    .lanewise(FMA, slope3, t3);
            t0.lanewise(FMA, scale0, offset0).intoArray(dx, dxStart + row + j);
            t1.lanewise(FMA, scale1, offset1).intoArray(dx, dxStart + row + k);
            t2.lanewise(FMA, scale2, offset2).intoArray(dx, dxStart + row + l);
            t3.lanewise(FMA, scale3, offset3).intoArray(dx, dxStart + row + m);
            row += width;
        }
    }

    private static void strip(
            float[] x,
            int xStart,
            float[] dy,
            int dyStart,
            float[] dx,
            int dxStart,
            int rows,
            int width,
            int j,
            Coefficients coefficients) {
        FloatVector m = FloatVector.fromArray(FLOATS, coefficients.centre, j);
        FloatVector g = FloatVector.fromArray(FLOATS, coefficients.dyCentre, j);
        FloatVector a = FloatVector.fromArray(FLOATS, coefficients.scale, j);
        FloatVector k = FloatVector.fromArray(FLOATS, coefficients.slope, j);
        FloatVector b = FloatVector.fromArray(FLOATS, coefficients.offset, j);
        int row = 0;
        for (int r = 0; r < rows; r++) {
            FloatVector t = FloatVector.fromArray(FLOATS, dy, dyStart + row + j).lanewise(SUB, g);
            t = FloatVector.fromArray(FLOATS, x, xStart + row + j)
                    .lanewise(SUB, m)
                    .lanewise(FMA, k, t)
                    .lanewise(FMA, a, b);
            t.intoArray(dx, dxStart + row + j);
            row += width;
        }
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
            FloatVector t0 = load(dy, dyStart, j).lanewise(SUB, g);
            FloatVector t1 = load(dy, dyStart + apart, j).lanewise(SUB, g);
            FloatVector first =
                    load(x, xStart, j).lanewise(SUB, m).lanewise(FMA, k, t0).lanewise(FMA, a, b);
            FloatVector second = load(x, xStart + apart, j)
                    .lanewise(SUB, m)
                    .lanewise(FMA, k, t1)
                    .lanewise(FMA, a, b);
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
            FloatVector t = load(dy, dyStart, j).lanewise(SUB, g);
            store(load(x, xStart, j).lanewise(SUB, m).lanewise(FMA, k, t).lanewise(FMA, a, b), dx, dxStart, j);
        }
        for (int j = end; j < to; j++) {
            one(x, xStart + j, dy, dyStart + j, dx, dxStart + j, j, coefficients);
        }
    }

    private static void one(
            Object x, long xAt, Object dy, long dyAt, Object dx, long dxAt, int j, Coefficients coefficients) {
        float t = Memory.get(dy, dyAt) - coefficients.dyCentre[j];
        float sum = Math.fma(Memory.get(x, xAt) - coefficients.centre[j], coefficients.slope[j], t);
        Memory.set(dx, dxAt, Math.fma(sum, coefficients.scale[j], coefficients.offset[j]));
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
        FloatVector last0 = load(dy, dyStart, end).lanewise(SUB, g);
        FloatVector last1 = load(dy, dyStart + apart, end).lanewise(SUB, g);
        last0 = load(x, xStart, end).lanewise(SUB, m).lanewise(FMA, k, last0).lanewise(FMA, a, b);
        last1 = load(x, xStart + apart, end)
                .lanewise(SUB, m)
                .lanewise(FMA, k, last1)
                .lanewise(FMA, a, b);
        int touched = 0;
        for (int j = 0; j < end; j += LANES) {
            touched ^= touch(dx, dxStart, j) ^ touch(dx, dxStart + apart, j);
            FloatVector t0 = load(dy, dyStart, j).lanewise(SUB, g);
            FloatVector t1 = load(dy, dyStart + apart, j).lanewise(SUB, g);
            FloatVector first =
                    load(x, xStart, j).lanewise(SUB, m).lanewise(FMA, k, t0).lanewise(FMA, a, b);
            FloatVector second = load(x, xStart + apart, j)
                    .lanewise(SUB, m)
                    .lanewise(FMA, k, t1)
                    .lanewise(FMA, a, b);
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
