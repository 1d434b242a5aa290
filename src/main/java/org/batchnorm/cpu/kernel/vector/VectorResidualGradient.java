package org.batchnorm.cpu.kernel.vector;

import static org.batchnorm.cpu.kernel.vector.Species.FLOATS;
import static org.batchnorm.cpu.kernel.vector.Species.LANES;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.ResidualGradient;
import org.batchnorm.cpu.kernel.Tile;

/** {@link ResidualGradient} on the Vector API. */
final class VectorResidualGradient implements ResidualGradient {
    private static final Variant VARIANT = Specialized.variant(MethodHandles.lookup());
    private static final boolean IN_ARRAYS = VARIANT.inArrays();
    private static final VectorActivation OUTPUT = VARIANT.output();

    VectorResidualGradient() {}

    /** A copy for each variant. */
    static Specialized<ResidualGradient> copies() {
        return new Specialized<>(MethodHandles.lookup(), ResidualGradient.class);
    }

    @Override
    public void write(Operands o, long first, int length, Tile scratch) {
        Object y = o.x;
        Object dy = o.second;
        Object out = o.out;
        long yAt = o.xStart + first;
        long dyAt = o.secondStart + first;
        long outAt = o.outStart + first;
        int touched = 0;
        int j = 0;
        FloatVector slope = FloatVector.broadcast(FLOATS, o.output.negativeSlope());
        for (; j + 4 * LANES <= length; j += 4 * LANES) {
            touched ^= touch(out, outAt, j) ^ touch(out, outAt, j + LANES);
            touched ^= touch(out, outAt, j + 2 * LANES) ^ touch(out, outAt, j + 3 * LANES);
            FloatVector y0 = load(y, yAt, j);
            FloatVector y1 = load(y, yAt, j + LANES);
            FloatVector y2 = load(y, yAt, j + 2 * LANES);
            FloatVector y3 = load(y, yAt, j + 3 * LANES);
            FloatVector dy0 = load(dy, dyAt, j);
            FloatVector dy1 = load(dy, dyAt, j + LANES);
            FloatVector dy2 = load(dy, dyAt, j + 2 * LANES);
            FloatVector dy3 = load(dy, dyAt, j + 3 * LANES);
            store(OUTPUT.gradient(dy0, y0, slope), out, outAt, j);
            store(OUTPUT.gradient(dy1, y1, slope), out, outAt, j + LANES);
            store(OUTPUT.gradient(dy2, y2, slope), out, outAt, j + 2 * LANES);
            store(OUTPUT.gradient(dy3, y3, slope), out, outAt, j + 3 * LANES);
        }
        for (; j < length; j++) {
            o.out(first + j, o.output.gradient(o.second(first + j), o.x(first + j)));
        }
        scratch.touched = touched;
    }

    private static FloatVector load(Object memory, long start, int j) {
        return IN_ARRAYS ? Access.load((float[]) memory, start, j) : Access.load((MemorySegment) memory, start, j);
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
