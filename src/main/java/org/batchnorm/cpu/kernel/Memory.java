package org.batchnorm.cpu.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Single values and pieces of host memory, which is a {@code float[]} or a {@link MemorySegment}; positions count
 * values.
 */
public final class Memory {
    private static final Class<?> NATIVE = MemorySegment.NULL.getClass();

    private Memory() {}

    /** Whether it is a segment of native memory, not that of a mapped file, which is one of another class. */
    static boolean isNative(Object memory) {
        return memory.getClass() == NATIVE;
    }

    /**
     * Whether writing to one may change the other, as far as can be told. Two different arrays lie apart, and so do
     * segments in native memory and on the heap, and native segments without a common byte. The rest may overlap.
     */
    public static boolean mayOverlap(Object a, Object b) {
        if (a instanceof MemorySegment first && b instanceof MemorySegment second) {
            if (first.isNative() && second.isNative()) {
                return first.address() < second.address() + second.byteSize()
                        && second.address() < first.address() + first.byteSize();
            }
            return first.isNative() == second.isNative();
        }
        return a.equals(b);
    }

    /** One value. */
    public static float get(Object memory, long position) {
        if (memory instanceof float[] array) {
            return array[(int) position];
        }
        return isNative(memory)
                ? ((MemorySegment) memory).get(ValueLayout.JAVA_FLOAT_UNALIGNED, position * Float.BYTES)
                : OtherSegments.get((MemorySegment) memory, position);
    }

    /** Writes one value. */
    public static void set(Object memory, long position, float value) {
        if (memory instanceof float[] array) {
            array[(int) position] = value;
        } else if (isNative(memory)) {
            ((MemorySegment) memory).set(ValueLayout.JAVA_FLOAT_UNALIGNED, position * Float.BYTES, value);
        } else {
            OtherSegments.set((MemorySegment) memory, position, value);
        }
    }

    /** The same calls once more: one that has met segments of several classes is slow on all of them. */
    private static final class OtherSegments {
        static float get(MemorySegment memory, long position) {
            return memory.get(ValueLayout.JAVA_FLOAT_UNALIGNED, position * Float.BYTES);
        }

        static void set(MemorySegment memory, long position, float value) {
            memory.set(ValueLayout.JAVA_FLOAT_UNALIGNED, position * Float.BYTES, value);
        }
    }

    /** Copies values out: {@code values[0…] = memory[position…]}. */
    public static void read(Object memory, long position, float[] values, int length) {
        if (memory instanceof float[] array) {
            System.arraycopy(array, (int) position, values, 0, length);
        } else {
            MemorySegment segment = (MemorySegment) memory;
            long offset = position * Float.BYTES;
            MemorySegment.copy(segment, ValueLayout.JAVA_FLOAT_UNALIGNED, offset, values, 0, length);
        }
    }

    /** Copies values in: {@code memory[position…] = values[0…]}. */
    public static void write(float[] values, Object memory, long position, int length) {
        if (memory instanceof float[] array) {
            System.arraycopy(values, 0, array, (int) position, length);
        } else {
            MemorySegment segment = (MemorySegment) memory;
            long offset = position * Float.BYTES;
            MemorySegment.copy(values, 0, segment, ValueLayout.JAVA_FLOAT_UNALIGNED, offset, length);
        }
    }
}
