package org.batchnorm;

import java.lang.foreign.MemorySegment;
import org.batchnorm.data.BatchShape;

/**
 * Checks of the data that users hand to a layer. Each failure names the argument, what was given and what would be
 * right.
 */
final class Arguments {
    private Arguments() {}

    static void requireFeatures(BatchShape shape, int features) {
        if (shape.c() != features) {
            throw new IllegalArgumentException("shape: " + shape + " has " + shape.c()
                    + " features (channels), must have the layer's " + features);
        }
    }

    static void requireSeveralValuesPerFeature(BatchShape shape) {
        if (shape.valuesPerFeature() < 2) {
            throw new IllegalArgumentException(
                    "shape: expected more than 1 value per feature to take batch statistics from, given " + shape
                            + " with " + shape.valuesPerFeature());
        }
    }

    static void requireArray(String name, float[] array, BatchShape shape) {
        if (shape.elements() > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(name + ": shape " + shape + " has " + shape.elements()
                    + " elements, a float[] holds at most " + Integer.MAX_VALUE + "; give a MemorySegment");
        }
        if (array.length != shape.elements()) {
            throw new IllegalArgumentException(name + ": float[" + array.length + "] given, must have the "
                    + shape.elements() + " elements of shape " + shape);
        }
    }

    static void requireReadable(String name, MemorySegment segment, BatchShape shape) {
        if (!segment.scope().isAlive()) {
            throw new IllegalStateException(
                    name + ": its arena is closed; give a segment whose arena is open during the call");
        }
        if (!segment.isAccessibleBy(Thread.currentThread())) {
            throw new IllegalStateException(name + ": its arena is confined to another thread than "
                    + Thread.currentThread().getName()
                    + "; call from the thread that opened the arena, or use Arena.ofShared()");
        }
        if (segment.byteSize() < shape.bytes()) {
            throw new IllegalArgumentException(name + ": segment of " + segment.byteSize()
                    + " bytes given, must have at least the " + shape.bytes() + " bytes of shape " + shape);
        }
        if (segment.maxByteAlignment() < Float.BYTES) {
            throw new IllegalArgumentException(
                    name + ": segment aligned to " + segment.maxByteAlignment() + " bytes given, must be aligned to "
                            + Float.BYTES + " (native memory at a multiple of 4, or a heap segment over a float[])");
        }
    }

    static void requireWritable(String name, MemorySegment segment, BatchShape shape) {
        requireReadable(name, segment, shape);
        if (segment.isReadOnly()) {
            throw new IllegalArgumentException(name + ": read-only segment given, must be writable");
        }
    }

    /** The bytes of {@code shape} in the two segments must be the same memory or have none in common. */
    static void requireSameOrDisjoint(
            String in, MemorySegment input, String out, MemorySegment output, BatchShape shape) {
        if (input.isNative() != output.isNative()) {
            return;
        }
        long distance = Math.abs(input.address() - output.address());
        if (distance == 0 || distance >= shape.bytes() || !shareMemory(input, output)) {
            return;
        }
        throw new IllegalArgumentException(out + ": overlaps " + in + " in " + (shape.bytes() - distance) + " of "
                + shape.bytes() + " bytes; must be the same memory as " + in + " or have none in common with it");
    }

    /**
     * Whether segments of the same kind, whose addresses are near each other, really are in one piece of memory: the
     * address of a heap segment is an offset only.
     */
    private static boolean shareMemory(MemorySegment one, MemorySegment other) {
        return one.isNative() || one.asOverlappingSlice(other).isPresent();
    }

    /**
     * Whether two arguments of one call, both float[] or both MemorySegment and found to be the same or disjoint, are
     * the same memory.
     */
    @SuppressWarnings("ReferenceEquality") // of arrays, identity is the question
    static boolean isSameMemory(Object one, Object other) {
        if (one instanceof MemorySegment a && other instanceof MemorySegment b) {
            return a.isNative() == b.isNative() && a.address() == b.address() && shareMemory(a, b);
        }
        return one == other;
    }
}
