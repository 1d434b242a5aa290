package org.batchnorm.cpu.kernel.vector;

import static jdk.incubator.vector.VectorOperators.ADD;
import static jdk.incubator.vector.VectorOperators.FMA;
import static jdk.incubator.vector.VectorOperators.SUB;
import static org.batchnorm.cpu.kernel.vector.Species.FLOATS;
import static org.batchnorm.cpu.kernel.vector.Species.LANES;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.ShortVector;
import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Elementwise;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Runs;

/**
 * {@link Elementwise} on the Vector API. The one idea: rows go in pairs, one from either half, so that the coefficients
 * are loaded once for two and the prefetcher sees two long streams; so do runs, of two images or the halves of one, for
 * the streams alone. Where the tensors stay in the caches, columns are gone down in strips instead, with their
 * coefficients in registers.
 */
final class VectorElementwise implements Elementwise {
    private static final Variant VARIANT = Specialized.variant(MethodHandles.lookup());
    private static final boolean IN_ARRAYS = VARIANT.inArrays();

    /** Whether there is a second input, a dy or a residual. */
    private static final boolean SECOND = VARIANT.hasSecond();

    /** Whether that is a dy, and the output is dx; else it is y. */
    private static final boolean GRADIENT = SECOND && !VARIANT.hasResidual();

    private static final VectorActivation INPUT = VARIANT.input();
    private static final VectorActivation OUTPUT = GRADIENT ? VectorActivation.NONE : VARIANT.output();

    /** The activation behind which dy is the gradient: the sign of the forward's result is made once more. */
    private static final VectorActivation BEHIND = GRADIENT ? VARIANT.output() : VectorActivation.NONE;

    /** Whether all tensors are of bfloat16, of which there are rows alone, without activations. */
    private static final boolean BFLOAT16 = VARIANT.bfloat16();

    /**
     * Whether strips are worth while: where there are registers for them. On segments, or with activations, those of
     * three tensors are more than the compiler inlines into one method: 30 times slower.
     */
    private static final boolean STRIPS =
            Species.MANY_REGISTERS && (!SECOND || (IN_ARRAYS && !VARIANT.hasActivations()));

    /**
     * Rows of a strip. Of three tensors they are few, so that the cache lines in which two strips meet are still in the
     * first-level cache when the next strip comes.
     */
    private static final int STRIP_ROWS = SECOND ? 8 : Integer.MAX_VALUE;

    /** Whether there are registers for four rows of two tensors. */
    private static final boolean FOUR_ROWS = Species.MANY_REGISTERS && !SECOND;

    VectorElementwise() {}

    /** A copy for each variant. */
    static Specialized<Elementwise> copies() {
        return new Specialized<>(MethodHandles.lookup(), Elementwise.class);
    }

    // ---- rows

    @Override
    public void rows(Operands o, Rows r, Coefficients c) {
        if (BFLOAT16) {
            rowByRow(o, r, c);
            return;
        }
        if (STRIPS && r.cached) {
            strips(o, r, c);
            return;
        }
        long half = CutPolicy.rowsOfStream(r.count, 2);
        long done = FOUR_ROWS && r.fourAtOnce ? half - half % 2 : 0;
        int touched = twoPairs(o, r, done, half * r.width, c) ^ pairs(o, r, done, half - done, half * r.width, c);
        for (long i = 2 * half; i < r.count; i += 2) {
            // A last row that has none beside it is paired with itself.
            touched ^= pairs(o, r, i, 1, i + 1 < r.count ? r.width : 0, c);
        }
        r.tile.touched = touched;
    }

    /**
     * Pairs of rows.
     *
     * @param firstRow the first row of the first pair
     * @param count pairs, one after the other
     * @param apart the distance between the rows of a pair
     */
    private static int pairs(Operands o, Rows r, long firstRow, long count, long apart, Coefficients c) {
        Object x = o.x;
        Object dy = o.second;
        Object out = o.out;
        long row = r.first + firstRow * r.width;
        long xAt = o.xStart + row;
        long dyAt = o.secondStart + row;
        long outAt = o.outStart + row;
        FloatVector in = VectorActivation.slope(o.ofX());
        FloatVector output = VectorActivation.slope(o.output);
        int end = Species.end(r.from, r.to);
        int touched = 0;
        for (long i = 0; i < count; i++) {
            for (int j = r.from; j < end; j += LANES) {
                touched ^= touch(out, outAt, j) ^ touch(out, outAt + apart, j);
                FloatVector m = FloatVector.fromArray(FLOATS, c.centre, j);
                FloatVector a = FloatVector.fromArray(FLOATS, c.scale, j);
                FloatVector b = FloatVector.fromArray(FLOATS, c.offset, j);
                FloatVector g = GRADIENT ? FloatVector.fromArray(FLOATS, c.dyCentre, j) : m;
                FloatVector k = GRADIENT ? FloatVector.fromArray(FLOATS, c.slope, j) : m;
                FloatVector x0 = INPUT.value(load(x, xAt, j), in);
                FloatVector x1 = INPUT.value(load(x, xAt + apart, j), in);
                FloatVector dy0 = SECOND ? load(dy, dyAt, j) : m;
                FloatVector dy1 = SECOND ? load(dy, dyAt + apart, j) : m;
                dy0 = BEHIND.gradient(dy0, BEHIND.forward(x0, o.forward, j), output);
                dy1 = BEHIND.gradient(dy1, BEHIND.forward(x1, o.forward, j), output);
                FloatVector v0 = activate(map(x0, dy0, m, g, k, a, b), x0, in, output);
                FloatVector v1 = activate(map(x1, dy1, m, g, k, a, b), x1, in, output);
                store(v0, out, outAt, j);
                store(v1, out, outAt + apart, j);
            }
            for (int j = end; j < r.to; j++) {
                two(o, row + i * r.width + j, apart, c, j);
            }
            xAt += r.width;
            dyAt += r.width;
            outAt += r.width;
        }
        return touched;
    }

    /**
     * Two pairs of rows that follow each other: the coefficients are loaded once for four.
     *
     * @param count pairs, an even number
     */
    private static int twoPairs(Operands o, Rows r, long count, long apart, Coefficients c) {
        Object x = o.x;
        Object out = o.out;
        long xAt = o.xStart + r.first;
        long outAt = o.outStart + r.first;
        long next = r.width;
        FloatVector in = VectorActivation.slope(o.ofX());
        FloatVector output = VectorActivation.slope(o.output);
        int end = Species.end(r.from, r.to);
        int touched = 0;
        for (long i = 0; i < count; i += 2) {
            for (int j = r.from; j < end; j += LANES) {
                touched ^= touch(out, outAt, j) ^ touch(out, outAt + apart, j);
                touched ^= touch(out, outAt + next, j) ^ touch(out, outAt + next + apart, j);
                FloatVector m = FloatVector.fromArray(FLOATS, c.centre, j);
                FloatVector a = FloatVector.fromArray(FLOATS, c.scale, j);
                FloatVector b = FloatVector.fromArray(FLOATS, c.offset, j);
                FloatVector v0 = transform(INPUT.value(load(x, xAt, j), in), m, a, b);
                FloatVector v1 = transform(INPUT.value(load(x, xAt + apart, j), in), m, a, b);
                FloatVector v2 = transform(INPUT.value(load(x, xAt + next, j), in), m, a, b);
                FloatVector v3 = transform(INPUT.value(load(x, xAt + next + apart, j), in), m, a, b);
                store(OUTPUT.value(v0, output), out, outAt, j);
                store(OUTPUT.value(v1, output), out, outAt + apart, j);
                store(OUTPUT.value(v2, output), out, outAt + next, j);
                store(OUTPUT.value(v3, output), out, outAt + next + apart, j);
            }
            for (int j = end; j < r.to; j++) {
                two(o, r.first + i * next + j, apart, c, j);
                two(o, r.first + (i + 1) * next + j, apart, c, j);
            }
            xAt += 2 * next;
            outAt += 2 * next;
        }
        return touched;
    }

    /** One row of bfloat16 after the other: with the conversions of two it would be more than the compiler inlines. */
    private static void rowByRow(Operands o, Rows r, Coefficients c) {
        Object x = o.x;
        Object dy = o.second;
        Object out = o.out;
        int end = Species.end(r.from, r.to);
        for (long i = 0; i < r.count; i++) {
            long row = r.first + i * r.width;
            long xAt = o.xStart + row;
            long dyAt = o.secondStart + row;
            long outAt = o.outStart + row;
            for (int j = r.from; j < end; j += LANES) {
                FloatVector m = FloatVector.fromArray(FLOATS, c.centre, j);
                FloatVector a = FloatVector.fromArray(FLOATS, c.scale, j);
                FloatVector b = FloatVector.fromArray(FLOATS, c.offset, j);
                FloatVector g = GRADIENT ? FloatVector.fromArray(FLOATS, c.dyCentre, j) : m;
                FloatVector k = GRADIENT ? FloatVector.fromArray(FLOATS, c.slope, j) : m;
                FloatVector x0 = loadBfloat16(x, xAt, j);
                FloatVector dy0 = SECOND ? loadBfloat16(dy, dyAt, j) : m;
                ShortVector bits = Bfloat16Access.narrow(map(x0, dy0, m, g, k, a, b));
                if (IN_ARRAYS) {
                    Bfloat16Access.store(bits, (short[]) out, outAt, j);
                } else {
                    Bfloat16Access.store(bits, (MemorySegment) out, outAt, j);
                }
            }
            for (int j = end; j < r.to; j++) {
                two(o, row + j, 0, c, j);
            }
        }
    }

    /** Goes down strips of columns: two vectors wide, then one, then one column. */
    private static void strips(Operands o, Rows r, Coefficients c) {
        for (long i = 0; i < r.count; i += STRIP_ROWS) {
            long row = r.first + i * r.width;
            int rows = (int) Math.min(STRIP_ROWS, r.count - i);
            int j = r.from;
            for (; j + 2 * LANES <= r.to; j += 2 * LANES) {
                twoStrips(o, r, row, rows, j, c);
            }
            narrowStrips(o, r, row, rows, j, c);
        }
    }

    /** Strips as wide as a vector, and columns, from column {@code from} on. */
    private static void narrowStrips(Operands o, Rows r, long row, int rows, int from, Coefficients c) {
        Object x = o.x;
        Object dy = o.second;
        Object out = o.out;
        FloatVector in = VectorActivation.slope(o.ofX());
        FloatVector output = VectorActivation.slope(o.output);
        int end = Species.end(from, r.to);
        for (int j = from; j < end; j += LANES) {
            FloatVector m = FloatVector.fromArray(FLOATS, c.centre, j);
            FloatVector a = FloatVector.fromArray(FLOATS, c.scale, j);
            FloatVector b = FloatVector.fromArray(FLOATS, c.offset, j);
            FloatVector g = GRADIENT ? FloatVector.fromArray(FLOATS, c.dyCentre, j) : m;
            FloatVector k = GRADIENT ? FloatVector.fromArray(FLOATS, c.slope, j) : m;
            long xAt = o.xStart + row;
            long dyAt = o.secondStart + row;
            long outAt = o.outStart + row;
            for (int i = 0; i < rows; i++) {
                FloatVector dy0 = SECOND ? load(dy, dyAt, j) : m;
                FloatVector x0 = INPUT.value(load(x, xAt, j), in);
                store(activate(map(x0, dy0, m, g, k, a, b), x0, in, output), out, outAt, j);
                xAt += r.width;
                dyAt += r.width;
                outAt += r.width;
            }
        }
        for (int j = end; j < r.to; j++) {
            for (int i = 0; i < rows; i++) {
                two(o, row + (long) i * r.width + j, 0, c, j);
            }
        }
    }

    /** Two strips; of four, the compiler made objects of some vectors in every second process. */
    private static void twoStrips(Operands o, Rows r, long row, int rows, int j, Coefficients c) {
        Object x = o.x;
        Object dy = o.second;
        Object out = o.out;
        long xAt = o.xStart + row;
        long dyAt = o.secondStart + row;
        long outAt = o.outStart + row;
        int l = j + LANES;
        FloatVector in = VectorActivation.slope(o.ofX());
        FloatVector output = VectorActivation.slope(o.output);
        FloatVector m0 = FloatVector.fromArray(FLOATS, c.centre, j);
        FloatVector m1 = FloatVector.fromArray(FLOATS, c.centre, l);
        FloatVector a0 = FloatVector.fromArray(FLOATS, c.scale, j);
        FloatVector a1 = FloatVector.fromArray(FLOATS, c.scale, l);
        FloatVector b0 = FloatVector.fromArray(FLOATS, c.offset, j);
        FloatVector b1 = FloatVector.fromArray(FLOATS, c.offset, l);
        FloatVector g0 = GRADIENT ? FloatVector.fromArray(FLOATS, c.dyCentre, j) : m0;
        FloatVector g1 = GRADIENT ? FloatVector.fromArray(FLOATS, c.dyCentre, l) : m1;
        FloatVector k0 = GRADIENT ? FloatVector.fromArray(FLOATS, c.slope, j) : m0;
        FloatVector k1 = GRADIENT ? FloatVector.fromArray(FLOATS, c.slope, l) : m1;
        for (int i = 0; i < rows; i++) {
            FloatVector dy0 = SECOND ? load(dy, dyAt, j) : m0;
            FloatVector dy1 = SECOND ? load(dy, dyAt, l) : m1;
            FloatVector x0 = INPUT.value(load(x, xAt, j), in);
            FloatVector x1 = INPUT.value(load(x, xAt, l), in);
            FloatVector v0 = map(x0, dy0, m0, g0, k0, a0, b0);
            FloatVector v1 = map(x1, dy1, m1, g1, k1, a1, b1);
            store(activate(v0, x0, in, output), out, outAt, j);
            store(activate(v1, x1, in, output), out, outAt, l);
            xAt += r.width;
            dyAt += r.width;
            outAt += r.width;
        }
    }

    // ---- runs

    @Override
    public void runs(Operands o, Runs r, Coefficients c) {
        int touched = 0;
        long half = CutPolicy.rowsOfStream(r.images, 2);
        for (long i = 0; i < half; i++) {
            for (int channel = r.from; channel < r.to; channel++) {
                long run = r.first + i * r.imageApart + (channel - r.from) * r.channelApart;
                touched ^= twoRuns(o, ofForward(o, r, channel), run, half * r.imageApart, r.length, channel, c);
            }
        }
        int halfRun = r.length / 2;
        for (long i = 2 * half; i < r.images; i++) {
            for (int channel = r.from; channel < r.to; channel++) {
                long run = r.first + i * r.imageApart + (channel - r.from) * r.channelApart;
                touched ^= twoRuns(o, ofForward(o, r, channel), run, halfRun, halfRun, channel, c);
                if (r.length % 2 == 1) {
                    two(o, run + r.length - 1, 0, c, channel);
                }
            }
        }
        r.tile.touched = touched;
    }

    /** The coefficients of the forward for a vector of a channel, where they are needed. */
    private static Coefficients ofForward(Operands o, Runs r, int channel) {
        if (BEHIND.needsForward()) {
            r.tile.repeatForward(o.forward, channel, LANES);
        }
        return r.tile.forward;
    }

    /** Runs of two images, or the halves of one. */
    private static int twoRuns(
            Operands o, Coefficients ofForward, long run, long apart, int length, int channel, Coefficients c) {
        if (length < LANES) {
            for (int j = 0; j < length; j++) {
                two(o, run + j, apart, c, channel);
            }
            return 0;
        }
        Object x = o.x;
        Object dy = o.second;
        Object out = o.out;
        long xAt = o.xStart + run;
        long dyAt = o.secondStart + run;
        long outAt = o.outStart + run;
        FloatVector m = FloatVector.broadcast(FLOATS, c.centre[channel]);
        FloatVector a = FloatVector.broadcast(FLOATS, c.scale[channel]);
        FloatVector b = FloatVector.broadcast(FLOATS, c.offset[channel]);
        FloatVector g = GRADIENT ? FloatVector.broadcast(FLOATS, c.dyCentre[channel]) : m;
        FloatVector k = GRADIENT ? FloatVector.broadcast(FLOATS, c.slope[channel]) : m;
        FloatVector in = VectorActivation.slope(o.ofX());
        FloatVector output = VectorActivation.slope(o.output);
        // The last vectors overlap the ones before. Their inputs are read first: the output may be an input.
        int end = length - LANES;
        FloatVector dy0 = SECOND ? load(dy, dyAt, end) : m;
        FloatVector dy1 = SECOND ? load(dy, dyAt + apart, end) : m;
        FloatVector x0 = INPUT.value(load(x, xAt, end), in);
        FloatVector x1 = INPUT.value(load(x, xAt + apart, end), in);
        dy0 = BEHIND.gradient(dy0, BEHIND.forward(x0, ofForward, 0), output);
        dy1 = BEHIND.gradient(dy1, BEHIND.forward(x1, ofForward, 0), output);
        FloatVector last0 = activate(map(x0, dy0, m, g, k, a, b), x0, in, output);
        FloatVector last1 = activate(map(x1, dy1, m, g, k, a, b), x1, in, output);
        int touched = 0;
        for (int j = 0; j < end; j += LANES) {
            touched ^= touch(out, outAt, j) ^ touch(out, outAt + apart, j);
            dy0 = SECOND ? load(dy, dyAt, j) : m;
            dy1 = SECOND ? load(dy, dyAt + apart, j) : m;
            x0 = INPUT.value(load(x, xAt, j), in);
            x1 = INPUT.value(load(x, xAt + apart, j), in);
            dy0 = BEHIND.gradient(dy0, BEHIND.forward(x0, ofForward, 0), output);
            dy1 = BEHIND.gradient(dy1, BEHIND.forward(x1, ofForward, 0), output);
            store(activate(map(x0, dy0, m, g, k, a, b), x0, in, output), out, outAt, j);
            store(activate(map(x1, dy1, m, g, k, a, b), x1, in, output), out, outAt + apart, j);
        }
        store(last0, out, outAt, end);
        store(last1, out, outAt + apart, end);
        return touched;
    }

    // ---- values

    /**
     * {@code t · scale + offset}: the paper's {@code y = gamma · (x − mean) · rstd + beta}, where t is d; or {@code dx
     * = gamma · rstd · (dy − dbeta/m − x̂ · dgamma/m)}. A residual, which stands in the place of dy, is added to y.
     */
    private static FloatVector map(
            FloatVector x,
            FloatVector dy,
            FloatVector centre,
            FloatVector dyCentre,
            FloatVector slope,
            FloatVector scale,
            FloatVector offset) {
        if (!GRADIENT) {
            FloatVector z = transform(x, centre, scale, offset);
            return SECOND ? z.lanewise(ADD, dy) : z;
        }
        FloatVector t = x.lanewise(SUB, centre).lanewise(FMA, slope, dy.lanewise(SUB, dyCentre));
        return t.lanewise(FMA, scale, offset);
    }

    private static FloatVector transform(FloatVector x, FloatVector centre, FloatVector scale, FloatVector offset) {
        return x.lanewise(SUB, centre).lanewise(FMA, scale, offset);
    }

    /** {@code y = output(z)}, or dx by x, not by {@code input(x)}, whose sign is that of x. */
    private static FloatVector activate(FloatVector mapped, FloatVector x, FloatVector in, FloatVector output) {
        return GRADIENT ? INPUT.gradient(mapped, x, in) : OUTPUT.value(mapped, output);
    }

    /** Two values, which may be the same: both are read before one is written, as the output may be an input. */
    private static void two(Operands o, long at, long apart, Coefficients c, int j) {
        float first = one(o, at, c, j);
        float second = one(o, at + apart, c, j);
        o.out(at, first);
        o.out(at + apart, second);
    }

    private static float one(Operands o, long at, Coefficients c, int j) {
        float x = INPUT == VectorActivation.NONE ? o.x(at) : o.value(at);
        float d = x - c.centre[j];
        if (!GRADIENT) {
            float bn = Math.fma(d, c.scale[j], c.offset[j]);
            float z = SECOND ? bn + o.second(at) : bn;
            return OUTPUT == VectorActivation.NONE ? z : o.output.of(z);
        }
        float dy = BEHIND == VectorActivation.NONE ? o.second(at) : o.gradientOfColumn(at, j);
        float dx = Math.fma(Math.fma(d, c.slope[j], dy - c.dyCentre[j]), c.scale[j], c.offset[j]);
        return INPUT == VectorActivation.NONE ? dx : o.input.gradient(dx, x);
    }

    // ---- memory

    private static FloatVector load(Object memory, long start, int j) {
        return IN_ARRAYS ? Access.load((float[]) memory, start, j) : Access.load((MemorySegment) memory, start, j);
    }

    private static FloatVector loadBfloat16(Object memory, long start, int j) {
        return IN_ARRAYS
                ? Bfloat16Access.load((short[]) memory, start, j)
                : Bfloat16Access.load((MemorySegment) memory, start, j);
    }

    private static int touch(Object memory, long start, int j) {
        return IN_ARRAYS ? Access.touch((float[]) memory, start, j) : Access.touch((MemorySegment) memory, start, j);
    }

    private static void store(FloatVector vector, Object memory, long start, int j) {
        if (IN_ARRAYS) {
            Access.store(vector, (float[]) memory, start, j);
        } else {
            Access.store(vector, (MemorySegment) memory, start, j);
        }
    }
}
