package org.batchnorm.state;

import java.lang.foreign.MemorySegment;
import java.lang.reflect.Array;
import java.util.Arrays;

/**
 * An immutable tensor in host memory: a type, a shape and elements in row-major order. A tensor with the empty shape is
 * a scalar and has one element. Factories and getters copy.
 */
public final class Tensor {
    private final DType dtype;
    private final long[] shape;
    private final Object elements;

    private Tensor(DType dtype, Object elements, int length, long[] shape) {
        long product = elements(shape);
        if (product != length) {
            throw new IllegalArgumentException("data: " + length + " elements given, must be " + product
                    + ", the product of the shape " + Arrays.toString(shape));
        }
        this.dtype = dtype;
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
        return new Tensor(DType.F32, data.clone(), data.length, shape);
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
        return new Tensor(DType.F64, data.clone(), data.length, shape);
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
        return new Tensor(DType.I64, data.clone(), data.length, shape);
    }

    /**
     * A tensor that keeps {@code array}, a float[], double[] or long[] as {@code dtype} says. The array is not copied,
     * so the caller must forget it.
     */
    static Tensor owning(DType dtype, Object array, long[] shape) {
        return new Tensor(dtype, array, Array.getLength(array), shape);
    }

    /** A scalar of one 64-bit integer, of shape (). */
    public static Tensor ofLong(long value) {
        return ofLongs(new long[] {value});
    }

    /** The type of the elements. */
    public DType dtype() {
        return dtype;
    }

    /** The extents; empty for a scalar. */
    public long[] shape() {
        return shape.clone();
    }

    /** The number of elements, the product of the shape; 1 for a scalar. */
    public int elements() {
        return (int) elements(shape);
    }

    /**
     * The elements of a float32 tensor, row-major; a copy.
     *
     * @throws IllegalStateException if the tensor has another type
     */
    public float[] floats() {
        return ((float[]) elementsAs(DType.F32)).clone();
    }

    /**
     * The elements of a float64 tensor, row-major; a copy.
     *
     * @throws IllegalStateException if the tensor has another type
     */
    public double[] doubles() {
        return ((double[]) elementsAs(DType.F64)).clone();
    }

    /**
     * The elements of an int64 tensor, row-major; a copy.
     *
     * @throws IllegalStateException if the tensor has another type
     */
    public long[] longs() {
        return ((long[]) elementsAs(DType.I64)).clone();
    }

    /**
     * Whether the other has the same type, the same shape and the same elements. Elements are compared by their bits,
     * so 0 and −0 differ; all NaNs are equal.
     */
    @Override
    public boolean equals(Object other) {
        return other instanceof Tensor that
                && dtype == that.dtype
                && Arrays.equals(shape, that.shape)
                && switch (dtype) {
                    case F32 -> Arrays.equals((float[]) elements, (float[]) that.elements);
                    case F64 -> Arrays.equals((double[]) elements, (double[]) that.elements);
                    case I64 -> Arrays.equals((long[]) elements, (long[]) that.elements);
                };
    }

    @Override
    public int hashCode() {
        int hash = 31 * dtype.hashCode() + Arrays.hashCode(shape);
        return 31 * hash
                + switch (dtype) {
                    case F32 -> Arrays.hashCode((float[]) elements);
                    case F64 -> Arrays.hashCode((double[]) elements);
                    case I64 -> Arrays.hashCode((long[]) elements);
                };
    }

    /** Type and shape, such as {@code F32[64, 3]}. */
    @Override
    public String toString() {
        return dtype + Arrays.toString(shape);
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
        return segment(dtype, elements).asReadOnly();
    }

    /** The memory of {@code array}, a float[], double[] or long[] as {@code dtype} says. */
    static MemorySegment segment(DType dtype, Object array) {
        return switch (dtype) {
            case F32 -> MemorySegment.ofArray((float[]) array);
            case F64 -> MemorySegment.ofArray((double[]) array);
            case I64 -> MemorySegment.ofArray((long[]) array);
        };
    }

    private Object elementsAs(DType wanted) {
        if (dtype != wanted) {
            throw new IllegalStateException(
                    "tensor " + this + ": asked for its elements as " + wanted + ", but they are " + dtype);
        }
        return elements;
    }
}
