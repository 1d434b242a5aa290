package org.batchnorm.data;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * The values of one batch in host memory: where they are, their element type and their shape. A view: it copies
 * nothing, and whoever writes to the memory writes to the batch.
 *
 * <p>The values lie at the beginning of the memory, which may be longer: so a last, smaller batch may use the same
 * buffer.
 */
public final class Batch {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;
    private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE_UNALIGNED;

    private final BatchShape shape;
    private final ElementType type;
    private final @Nullable Object array;
    private final long start;
    private final @Nullable MemorySegment segment;

    private Batch(
            BatchShape shape, ElementType type, @Nullable Object array, long start, @Nullable MemorySegment segment) {
        this.shape = shape;
        this.type = type;
        this.array = array;
        this.start = start;
        this.segment = segment;
    }

    /**
     * A view of an array.
     *
     * @param values float32, at least {@code shape.elements()} of them
     * @throws IllegalArgumentException if there are fewer
     */
    public static Batch of(float[] values, BatchShape shape) {
        return of("values", values, shape);
    }

    /**
     * A view of an array that a caller's argument names.
     *
     * @param argument what messages call the array
     */
    public static Batch of(String argument, float[] values, BatchShape shape) {
        BatchShape.requireGiven(values, argument, "a float[]");
        requireElements(argument, "float", values.length, shape);
        return new Batch(shape, ElementType.FLOAT32, values, 0, null);
    }

    /**
     * A view of an array of a 16-bit type. Its values are in the bits of the {@code short}s: {@link ElementType#toBits}
     * and {@link ElementType#toFloat}, or {@link Float#floatToFloat16}.
     *
     * @param values at least {@code shape.elements()} of them
     * @param type {@link ElementType#FLOAT16} or {@link ElementType#BFLOAT16}
     * @throws IllegalArgumentException if there are fewer values, or if the type is another one
     */
    public static Batch of(short[] values, ElementType type, BatchShape shape) {
        return of("values", values, type, shape);
    }

    /**
     * A view of an array of a 16-bit type that a caller's argument names.
     *
     * @param argument what messages call the array
     */
    public static Batch of(String argument, short[] values, ElementType type, BatchShape shape) {
        BatchShape.requireGiven(values, argument, "a short[]");
        BatchShape.requireGiven(type, "type", "an ElementType");
        if (!type.is16Bit()) {
            throw new IllegalArgumentException("type: " + type + " given for " + argument + ", a short[], must be "
                    + "FLOAT16 or BFLOAT16; values of " + type + " are given in a " + elementOf(type)
                    + "[] or a MemorySegment");
        }
        requireElements(argument, "short", values.length, shape);
        return new Batch(shape, type, values, 0, null);
    }

    /**
     * A view of an array.
     *
     * @param values float64, at least {@code shape.elements()} of them
     * @throws IllegalArgumentException if there are fewer
     */
    public static Batch of(double[] values, BatchShape shape) {
        return of("values", values, shape);
    }

    /**
     * A view of an array of float64 that a caller's argument names.
     *
     * @param argument what messages call the array
     */
    public static Batch of(String argument, double[] values, BatchShape shape) {
        BatchShape.requireGiven(values, argument, "a double[]");
        requireElements(argument, "double", values.length, shape);
        return new Batch(shape, ElementType.FLOAT64, values, 0, null);
    }

    private static void requireElements(String argument, String element, int length, BatchShape shape) {
        BatchShape.requireGiven(shape, "shape", "a BatchShape");
        if (shape.elements() > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(argument + ": shape " + shape + " has " + shape.elements()
                    + " elements, a " + element + "[] holds at most " + Integer.MAX_VALUE + "; give a MemorySegment");
        }
        if (length < shape.elements()) {
            throw new IllegalArgumentException(argument + ": " + element + "[" + length
                    + "] given, must have at least the " + shape.elements() + " elements of shape " + shape);
        }
    }

    /**
     * A view of float32 values in a segment, on or off the heap.
     *
     * @param memory at least {@code shape.elements()} values
     * @throws IllegalArgumentException if there are fewer, or if they are not aligned to their size
     */
    public static Batch of(MemorySegment memory, BatchShape shape) {
        return of("memory", memory, ElementType.FLOAT32, shape);
    }

    /** A view of float32 values in a segment that a caller's argument names. */
    public static Batch of(String argument, MemorySegment memory, BatchShape shape) {
        return of(argument, memory, ElementType.FLOAT32, shape);
    }

    /** A view of values of the given type in a segment; else like {@link #of(MemorySegment, BatchShape)}. */
    public static Batch of(MemorySegment memory, ElementType type, BatchShape shape) {
        return of("memory", memory, type, shape);
    }

    /**
     * A view of a segment that a caller's argument names.
     *
     * @param argument what messages call the segment
     */
    public static Batch of(String argument, MemorySegment memory, ElementType type, BatchShape shape) {
        BatchShape.requireGiven(memory, argument, "a MemorySegment");
        BatchShape.requireGiven(type, "type", "an ElementType");
        BatchShape.requireGiven(shape, "shape", "a BatchShape");
        long bytes = shape.elements() * type.bytes();
        if (memory.byteSize() < bytes) {
            throw new IllegalArgumentException(argument + ": segment of " + memory.byteSize()
                    + " bytes given, must have at least the " + bytes + " bytes of shape " + shape);
        }
        if (memory.maxByteAlignment() < type.bytes()) {
            throw new IllegalArgumentException(argument + ": segment aligned to " + memory.maxByteAlignment()
                    + " bytes given, must be aligned to " + type.bytes()
                    + " (native memory at a multiple of it, or a heap segment over a " + elementOf(type) + "[])");
        }
        // A writable segment over an array gives the array away: kernels then meet arrays and native memory only.
        Object array = arrayOf(memory, type);
        return new Batch(shape, type, array, array == null ? 0 : memory.address() / type.bytes(), memory);
    }

    /** The array that a segment gives away, if its elements are as wide as the type's. */
    private static @Nullable Object arrayOf(MemorySegment memory, ElementType type) {
        Object base = memory.isNative() ? null : memory.heapBase().orElse(null);
        boolean fits = switch (type) {
            case FLOAT32 -> base instanceof float[];
            case FLOAT16, BFLOAT16 -> base instanceof short[];
            case FLOAT64 -> base instanceof double[];
        };
        return fits ? base : null;
    }

    private static String elementOf(ElementType type) {
        return switch (type) {
            case FLOAT32 -> "float";
            case FLOAT16, BFLOAT16 -> "short";
            case FLOAT64 -> "double";
        };
    }

    /**
     * A view of some of the samples, which lie together in every layout.
     *
     * @param from the first of them
     * @param count how many
     * @throws IllegalArgumentException if the batch does not have them
     */
    public Batch samples(long from, long count) {
        if (from < 0 || count < 0 || count > shape.n() - from) {
            throw new IllegalArgumentException("samples: " + count + " from " + from + " on given, must be within the "
                    + shape.n() + " of shape " + shape);
        }
        BatchShape part = new BatchShape(count, shape.c(), shape.spatial(), shape.layout());
        long sample = shape.c() * shape.spatial() * type.bytes();
        return of("samples", segment().asSlice(from * sample, count * sample), type, part);
    }

    /** N, C, S and layout. */
    public BatchShape shape() {
        return shape;
    }

    /** The type of the values. */
    public ElementType type() {
        return type;
    }

    /**
     * Whether the values lie in a {@code float[]} that can be written to, those of a 16-bit type in a {@code short[]},
     * or float64 in a {@code double[]}; then {@link #array()}, {@link #shorts()} or {@link #doubles()}, and
     * {@link #start()}, tell where.
     */
    public boolean isArray() {
        return array != null;
    }

    /** The array in which float32 values lie, if {@link #isArray()}. */
    public float[] array() {
        if (array instanceof float[] floats) {
            return floats;
        }
        throw new IllegalStateException("the batch is not in " + (array == null ? "an array" : "a float[]"));
    }

    /** The array in which values of a 16-bit type lie, if {@link #isArray()}. */
    public short[] shorts() {
        if (array instanceof short[] shorts) {
            return shorts;
        }
        throw new IllegalStateException("the batch is not in " + (array == null ? "an array" : "a short[]"));
    }

    /** The array in which float64 values lie, if {@link #isArray()}. */
    public double[] doubles() {
        if (array instanceof double[] doubles) {
            return doubles;
        }
        throw new IllegalStateException("the batch is not in " + (array == null ? "an array" : "a double[]"));
    }

    /** The position of the first value in the array. */
    public long start() {
        return start;
    }

    /** The memory as a segment, which begins with the first value. */
    public MemorySegment segment() {
        if (segment != null) {
            return segment;
        }
        return switch (type) {
            case FLOAT32 -> MemorySegment.ofArray(array());
            case FLOAT16, BFLOAT16 -> MemorySegment.ofArray(shorts());
            case FLOAT64 -> MemorySegment.ofArray(doubles());
        };
    }

    /**
     * Copies values out, as float32, to which float64 is rounded: {@code to[at…] = values[from…]}.
     *
     * @param from the number of the first of them in the batch
     * @param length how many
     */
    public void copyTo(long from, float[] to, int at, int length) {
        MemorySegment memory = segment();
        switch (type) {
            case FLOAT32 -> MemorySegment.copy(memory, FLOAT, from * Float.BYTES, to, at, length);
            case FLOAT16, BFLOAT16 -> {
                for (int i = 0; i < length; i++) {
                    to[at + i] = type.toFloat(memory.get(SHORT, (from + i) * Short.BYTES));
                }
            }
            case FLOAT64 -> {
                for (int i = 0; i < length; i++) {
                    to[at + i] = (float) memory.get(DOUBLE, (from + i) * Double.BYTES);
                }
            }
        }
    }

    /**
     * Copies values in, rounded to the type: {@code values[to…] = from[at…]}.
     *
     * @param to the number of the first of them in the batch
     * @param length how many
     */
    public void copyFrom(float[] from, int at, long to, int length) {
        MemorySegment memory = segment();
        switch (type) {
            case FLOAT32 -> MemorySegment.copy(from, at, memory, FLOAT, to * Float.BYTES, length);
            case FLOAT16, BFLOAT16 -> {
                for (int i = 0; i < length; i++) {
                    memory.set(SHORT, (to + i) * Short.BYTES, type.toBits(from[at + i]));
                }
            }
            case FLOAT64 -> {
                for (int i = 0; i < length; i++) {
                    memory.set(DOUBLE, (to + i) * Double.BYTES, from[at + i]);
                }
            }
        }
    }

    /**
     * Copies values of FLOAT64 out: {@code to[at…] = values[from…]}.
     *
     * @param from the number of the first of them in the batch
     * @param length how many
     * @throws IllegalStateException if the values are of another type
     */
    public void copyTo(long from, double[] to, int at, int length) {
        requireFloat64();
        if (array instanceof double[] doubles) {
            System.arraycopy(doubles, (int) (start + from), to, at, length);
        } else {
            MemorySegment.copy(segment(), DOUBLE, from * Double.BYTES, to, at, length);
        }
    }

    /**
     * Copies values of FLOAT64 in: {@code values[to…] = from[at…]}.
     *
     * @param to the number of the first of them in the batch
     * @param length how many
     * @throws IllegalStateException if the values are of another type
     */
    public void copyFrom(double[] from, int at, long to, int length) {
        requireFloat64();
        if (array instanceof double[] doubles) {
            System.arraycopy(from, at, doubles, (int) (start + to), length);
        } else {
            MemorySegment.copy(from, at, segment(), DOUBLE, to * Double.BYTES, length);
        }
    }

    private void requireFloat64() {
        if (type != ElementType.FLOAT64) {
            throw new IllegalStateException("the batch is of " + type + ", a double[] takes values of FLOAT64 alone");
        }
    }

    /**
     * Whether both begin at the same place and have values of the same size, so that an operation from one to the other
     * is in place.
     */
    public boolean isSameMemory(Batch other) {
        return address() == other.address() && type.bytes() == other.type.bytes() && isComparable(other);
    }

    /**
     * The bytes that the values of both have in common. What lies behind the values in a longer memory does not count.
     */
    public long overlap(Batch other) {
        long from = Math.max(address(), other.address());
        long to = Math.min(address() + bytes(), other.address() + other.bytes());
        return from < to && isComparable(other) ? to - from : 0;
    }

    /** Whether addresses of both can be compared: in native memory, or in the same array. */
    @SuppressWarnings("ReferenceEquality") // of arrays, identity is the question
    private boolean isComparable(Batch other) {
        if (array != null && other.array != null) {
            return array == other.array;
        }
        if (isNative() || other.isNative()) {
            return isNative() && other.isNative();
        }
        return segment().asOverlappingSlice(other.segment()).isPresent();
    }

    private boolean isNative() {
        return segment != null && segment.isNative();
    }

    /** In native memory, or from the beginning of the array. */
    private long address() {
        return segment != null ? segment.address() : start * type.bytes();
    }

    /** The bytes of the values. */
    public long bytes() {
        return shape.elements() * type.bytes();
    }

    @Override
    public String toString() {
        return type + " " + shape;
    }
}
