package org.batchnorm.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Values in host memory as the kernels see them: a {@code float[]} or a {@link MemorySegment}, both as {@code Object},
 * and positions that count floats. Segments over a writable {@code float[]} are seen as that array, so that kernels
 * meet native segments and arrays only (and rarely a read-only one).
 */
final class Memory {
    private Memory() {}

    /** Whether a segment lies over a float array that can be used in its place. */
    static boolean isArray(MemorySegment segment) {
        return !segment.isNative()
                && segment.heapBase().orElse(null) instanceof float[]
                && segment.address() % Float.BYTES == 0;
    }

    /** The array under a segment for which {@link #isArray} holds. */
    static float[] array(MemorySegment segment) {
        return (float[]) segment.heapBase().orElseThrow();
    }

    /** The position in {@link #array} at which the segment begins. */
    static long start(MemorySegment segment) {
        return segment.address() / Float.BYTES;
    }

    /**
     * Whether writing one may change the other, as far as can be told: not two arrays, nor two native segments that lie
     * apart.
     */
    static boolean mayOverlap(Object a, Object b) {
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
    static float get(Object memory, long position) {
        return memory instanceof float[] array
                ? array[(int) position]
                : ((MemorySegment) memory).get(ValueLayout.JAVA_FLOAT_UNALIGNED, position * Float.BYTES);
    }

    /** Writes one value. */
    static void set(Object memory, long position, float value) {
        if (memory instanceof float[] array) {
            array[(int) position] = value;
        } else {
            ((MemorySegment) memory).set(ValueLayout.JAVA_FLOAT_UNALIGNED, position * Float.BYTES, value);
        }
    }

    /** Copies values out: {@code values[to…] = memory[position…]}. */
    static void read(Object memory, long position, float[] values, int to, int length) {
        if (memory instanceof float[] array) {
            System.arraycopy(array, (int) position, values, to, length);
        } else {
            MemorySegment.copy(
                    (MemorySegment) memory,
                    ValueLayout.JAVA_FLOAT_UNALIGNED,
                    position * Float.BYTES,
                    values,
                    to,
                    length);
        }
    }

    /** Copies values in: {@code memory[position…] = values[from…]}. */
    static void write(float[] values, int from, Object memory, long position, int length) {
        if (memory instanceof float[] array) {
            System.arraycopy(values, from, array, (int) position, length);
        } else {
            MemorySegment.copy(
                    values,
                    from,
                    (MemorySegment) memory,
                    ValueLayout.JAVA_FLOAT_UNALIGNED,
                    position * Float.BYTES,
                    length);
        }
    }
}
