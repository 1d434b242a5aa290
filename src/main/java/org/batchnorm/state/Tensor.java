package org.batchnorm.state;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.function.Function;

/**
 * An immutable tensor in host memory: a type, a shape and elements in row-major order. A tensor with the empty shape is
 * a scalar and has one element. Factories and getters copy; getters convert, whatever the type.
 */
public final class Tensor {
    private final long[] shape;
    private final Elements elements;

    private Tensor(Elements elements, long[] shape) {
        long product = elements(shape);
        if (product != elements.length()) {
            throw new IllegalArgumentException("data: " + elements.length() + " elements given, must be " + product
                    + ", the product of the shape " + Arrays.toString(shape));
        }
        this.shape = shape.clone();
        this.elements = elements;
    }

    /**
     * A tensor of float32.
     *
     * @param data the elements, as many as the product of {@code shape}; copied
     * @param shape the extents, each ≥ 0; none for a scalar
     * @throws IllegalArgumentException if an extent is negative, the product overflows or differs from the length of
     *     {@code data}
     */
    public static Tensor ofFloats(float[] data, long... shape) {
        return new Tensor(new Elements(DType.F32, data.clone()), shape);
    }

    /**
     * A tensor of float64.
     *
     * @param data the elements, as many as the product of {@code shape}; copied
     * @param shape the extents, each ≥ 0; none for a scalar
     * @throws IllegalArgumentException if an extent is negative, the product overflows or differs from the length of
     *     {@code data}
     */
    public static Tensor ofDoubles(double[] data, long... shape) {
        return new Tensor(new Elements(DType.F64, data.clone()), shape);
    }

    /**
     * A tensor of 64-bit integers.
     *
     * @param data the elements, as many as the product of {@code shape}; copied
     * @param shape the extents, each ≥ 0; none for a scalar
     * @throws IllegalArgumentException if an extent is negative, the product overflows or differs from the length of
     *     {@code data}
     */
    public static Tensor ofLongs(long[] data, long... shape) {
        return new Tensor(new Elements(DType.I64, data.clone()), shape);
    }

    /** A tensor that keeps the elements themselves, so the caller must forget them. */
    static Tensor owning(Elements elements, long... shape) {
        return new Tensor(elements, shape);
    }

    /** A scalar of one 64-bit integer, of shape (). */
    public static Tensor ofLong(long value) {
        return ofLongs(new long[] {value});
    }

    /** The type of the elements. */
    public DType dtype() {
        return elements.dtype();
    }

    /** The extents; empty for a scalar. */
    public long[] shape() {
        return shape.clone();
    }

    /** The number of elements, the product of the shape; 1 for a scalar. */
    public int elements() {
        return elements.length();
    }

    /**
     * The elements as float32, row-major; a copy. What float32 does not have is rounded to the nearest that it has.
     *
     * @throws ArithmeticException if a finite element is too large for a float; the message names it
     */
    public float[] floats() {
        return converted(Elements::floats);
    }

    /** The elements as float64, row-major; a copy. Only 64-bit integers above 2⁵³ are rounded. */
    public double[] doubles() {
        return converted(Elements::doubles);
    }

    /**
     * The elements as 64-bit integers, row-major; a copy.
     *
     * @throws ArithmeticException if an element is no integer or does not fit; the message names it
     */
    public long[] longs() {
        return converted(Elements::longs);
    }

    private <T> T converted(Function<Elements, T> conversion) {
        try {
            return conversion.apply(elements);
        } catch (ArithmeticException e) {
            throw (ArithmeticException) new ArithmeticException("tensor " + this + ": " + e.getMessage()).initCause(e);
        }
    }

    /**
     * Whether the other has the same type, the same shape and the same elements. Elements are compared by their bits,
     * so 0 and −0 differ; all NaNs of float32 and of float64 are equal.
     */
    @Override
    public boolean equals(Object other) {
        return other instanceof Tensor that && Arrays.equals(shape, that.shape) && elements.equals(that.elements);
    }

    @Override
    public int hashCode() {
        return 31 * Arrays.hashCode(shape) + elements.hashCode();
    }

    /** Type and shape, such as {@code F32[64, 3]}. */
    @Override
    public String toString() {
        return dtype() + Arrays.toString(shape);
    }

    /**
     * The product of the extents.
     *
     * @throws IllegalArgumentException if an extent is negative or the product overflows
     */
    static long elements(long[] shape) {
        long product = 1;
        boolean empty = false;
        for (int axis = 0; axis < shape.length; axis++) {
            if (shape[axis] < 0) {
                throw new IllegalArgumentException(
                        "shape[" + axis + "]: " + shape[axis] + " given, must be at least 0");
            }
            empty |= shape[axis] == 0;
        }
        if (empty) {
            return 0;
        }
        for (long extent : shape) {
            try {
                product = Math.multiplyExact(product, extent);
            } catch (ArithmeticException e) {
                throw new IllegalArgumentException(
                        "shape: the product of " + Arrays.toString(shape) + " overflows, must be at most 2^63 - 1", e);
            }
        }
        return product;
    }

    /** The memory of the elements, read-only. */
    MemorySegment segment() {
        return elements.segment().asReadOnly();
    }
}
