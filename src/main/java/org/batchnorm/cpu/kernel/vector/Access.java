package org.batchnorm.cpu.kernel.vector;

import static org.batchnorm.cpu.kernel.vector.Species.FLOATS;
import static org.batchnorm.cpu.kernel.vector.Species.GROUP;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import org.batchnorm.cpu.kernel.Tile;

/**
 * Loads and stores of the vector kernels, on arrays or on segments: which of the two is a constant of the
 * {@link Variant} that asks. That one also casts, in code of its own: there the JVM keeps which classes of segments a
 * cast has met, and while it is one, the compiler knows that class and what lies behind it.
 */
final class Access {
    /**
     * Whether kernels read what they are about to overwrite. A vector as long as a line of the caches is stored across
     * two lines unless the memory is aligned to lines, which arrays hardly ever are; where those lines are not yet in
     * the first-level cache, such stores take two to three times as long. Reading first brings them in, and made even
     * aligned stores no slower beyond the second-level cache (both measured on an Intel Xeon, family 6, model 207).
     */
    private static final boolean TOUCHES = FLOATS.vectorByteSize() >= 64;

    private static final ByteOrder NATIVE = ByteOrder.nativeOrder();

    private Access() {}

    /**
     * The vector at {@code start + j}. The sum is one of {@code int}s: of that one the compiler sees that it does not
     * leave the array while j runs, and checks it once.
     */
    static FloatVector load(float[] memory, long start, int j) {
        return FloatVector.fromArray(FLOATS, memory, (int) start + j);
    }

    /** The vector at {@code start + j}. */
    static FloatVector load(MemorySegment memory, long start, int j) {
        return FloatVector.fromMemorySegment(FLOATS, memory, (start + j) * Float.BYTES, NATIVE);
    }

    /** Writes a vector at {@code start + j}. */
    static void store(FloatVector vector, float[] memory, long start, int j) {
        vector.intoArray(memory, (int) start + j);
    }

    /** Writes a vector at {@code start + j}. */
    static void store(FloatVector vector, MemorySegment memory, long start, int j) {
        vector.intoMemorySegment(memory, (start + j) * Float.BYTES, NATIVE);
    }

    /**
     * Brings the first line that a store at {@code start + j} changes into the first-level cache, where that pays. The
     * value that it returns means nothing, but must be used, or the compiler leaves the reading out.
     */
    static int touch(float[] memory, long start, int j) {
        return TOUCHES ? Float.floatToRawIntBits(memory[(int) start + j]) : 0;
    }

    /** The same in a segment. */
    static int touch(MemorySegment memory, long start, int j) {
        return TOUCHES
                ? Float.floatToRawIntBits(memory.get(ValueLayout.JAVA_FLOAT_UNALIGNED, (start + j) * Float.BYTES))
                : 0;
    }

    /**
     * Adds up the lanes of a vector sum, always in the same order. {@link FloatVector#reduceLanes} does not promise
     * one: its compiled and interpreted code give different bits. The lanes come in an array, because a vector that is
     * an argument becomes an object wherever the compiler does not inline the call.
     */
    static double total(float[] lanes, int from) {
        return Tile.total(lanes, from, GROUP);
    }

    /**
     * Adds up the lanes of a compensated sum, which keeps in a second sum what rounding took from the first: the lanes
     * at {@code from}, and those of the second sum behind them. Where a lane is not finite, the second means nothing.
     */
    static double compensatedTotal(float[] lanes, int from) {
        double lost = total(lanes, from + GROUP);
        return total(lanes, from) + (Double.isFinite(lost) ? lost : 0);
    }
}
