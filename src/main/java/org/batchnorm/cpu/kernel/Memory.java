package org.batchnorm.cpu.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.batchnorm.data.ElementType;

/**
 * Single values and pieces of host memory, which is an array or a {@link MemorySegment}; positions count values. Where
 * no type is given, they are float32.
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
     * what is in native memory and what is on the heap, and native segments without a common byte. The rest may
     * overlap.
     */
    public static boolean mayOverlap(Object a, Object b) {
        if (isOffHeap(a) && isOffHeap(b)) {
            MemorySegment first = (MemorySegment) a;
            MemorySegment second = (MemorySegment) b;
            return first.address() < second.address() + second.byteSize()
                    && second.address() < first.address() + first.byteSize();
        }
        boolean arrays = !(a instanceof MemorySegment) && !(b instanceof MemorySegment);
        return arrays ? a.equals(b) : isOffHeap(a) == isOffHeap(b);
    }

    private static boolean isOffHeap(Object memory) {
        return memory instanceof MemorySegment segment && segment.isNative();
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

    /** One value of a type. */
    static float get(Object memory, ElementType type, long position) {
        if (!type.is16Bit()) {
            return get(memory, position);
        }
        return type.toFloat(
                memory instanceof short[] array
                        ? array[(int) position]
                        : ((MemorySegment) memory).get(ValueLayout.JAVA_SHORT_UNALIGNED, position * Short.BYTES));
    }

    /** Writes one value, rounded to a type. */
    static void set(Object memory, ElementType type, long position, float value) {
        if (!type.is16Bit()) {
            set(memory, position, value);
        } else if (memory instanceof short[] array) {
            array[(int) position] = type.toBits(value);
        } else {
            ((MemorySegment) memory).set(ValueLayout.JAVA_SHORT_UNALIGNED, position * Short.BYTES, type.toBits(value));
        }
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
        read(memory, position, values, 0, length);
    }

    /** Copies values out: {@code values[at…] = memory[position…]}. */
    static void read(Object memory, long position, float[] values, int at, int length) {
        if (memory instanceof float[] array) {
            System.arraycopy(array, (int) position, values, at, length);
        } else {
            MemorySegment segment = (MemorySegment) memory;
            long offset = position * Float.BYTES;
            MemorySegment.copy(segment, ValueLayout.JAVA_FLOAT_UNALIGNED, offset, values, at, length);
        }
    }

    /** Copies values in: {@code memory[position…] = values[0…]}. */
    public static void write(float[] values, Object memory, long position, int length) {
        write(values, 0, memory, position, length);
    }

    /** Copies values in: {@code memory[position…] = values[at…]}. */
    static void write(float[] values, int at, Object memory, long position, int length) {
        if (memory instanceof float[] array) {
            System.arraycopy(values, at, array, (int) position, length);
        } else {
            MemorySegment segment = (MemorySegment) memory;
            long offset = position * Float.BYTES;
            MemorySegment.copy(values, at, segment, ValueLayout.JAVA_FLOAT_UNALIGNED, offset, length);
        }
    }
}
