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
 * {@link Variant} that asks.
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
     * The vector at {@code start + j}. The sum is one of {@code int}s on arrays: of that one the compiler sees that it
     * does not leave the array while j runs, and checks it once.
     */
    static FloatVector load(boolean inArrays, Object memory, long start, int j) {
        return inArrays
                ? FloatVector.fromArray(FLOATS, (float[]) memory, (int) start + j)
                : FloatVector.fromMemorySegment(FLOATS, (MemorySegment) memory, (start + j) * Float.BYTES, NATIVE);
    }

    /** Writes a vector at {@code start + j}. */
    static void store(boolean inArrays, FloatVector vector, Object memory, long start, int j) {
        if (inArrays) {
            vector.intoArray((float[]) memory, (int) start + j);
        } else {
            vector.intoMemorySegment((MemorySegment) memory, (start + j) * Float.BYTES, NATIVE);
        }
    }

    /**
     * Brings the first line that a store at {@code start + j} changes into the first-level cache, where that pays. The
     * value that it returns means nothing, but must be used, or the compiler leaves the reading out.
     */
    static int touch(boolean inArrays, Object memory, long start, int j) {
        if (!TOUCHES) {
            return 0;
        }
        float old = inArrays
                ? ((float[]) memory)[(int) start + j]
                : ((MemorySegment) memory).get(ValueLayout.JAVA_FLOAT_UNALIGNED, (start + j) * Float.BYTES);
        return Float.floatToRawIntBits(old);
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
