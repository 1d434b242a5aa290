package org.batchnorm.state;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigInteger;
import java.util.Arrays;

/** The elements of a tensor in an array whose own elements are as wide, and their conversions. */
final class Elements {
    private final DType dtype;
    private final Object array;
    private final int length;

    /**
     * Keeps an array.
     *
     * @param array a float[], double[], byte[], short[], int[] or long[], as {@code dtype} says
     */
    Elements(DType dtype, Object array) {
        this.dtype = dtype;
        this.array = array;
        this.length = (int) (segment().byteSize() / dtype.bytes());
    }

    /** So many elements that are 0. */
    static Elements zeros(DType dtype, int length) {
        return new Elements(
                dtype,
                switch (dtype) {
                    case BOOL, U8, I8, F8_E5M2, F8_E4M3 -> new byte[length];
                    case I16, U16, F16, BF16 -> new short[length];
                    case I32, U32 -> new int[length];
                    case F32 -> new float[length];
                    case F64 -> new double[length];
                    case I64, U64 -> new long[length];
                });
    }

    DType dtype() {
        return dtype;
    }

    int length() {
        return length;
    }

    /** Their memory. */
    MemorySegment segment() {
        return switch (array) {
            case byte[] bytes -> MemorySegment.ofArray(bytes);
            case short[] shorts -> MemorySegment.ofArray(shorts);
            case int[] ints -> MemorySegment.ofArray(ints);
            case float[] floats -> MemorySegment.ofArray(floats);
            case double[] doubles -> MemorySegment.ofArray(doubles);
            case long[] longs -> MemorySegment.ofArray(longs);
            default -> throw new IllegalArgumentException("array: " + array.getClass() + " given");
        };
    }

    /** An element in memory, at any address. */
    static ValueLayout layout(DType dtype) {
        return switch (dtype) {
            case BOOL, U8, I8, F8_E5M2, F8_E4M3 -> ValueLayout.JAVA_BYTE;
            case I16, U16, F16, BF16 -> ValueLayout.JAVA_SHORT_UNALIGNED;
            case I32, U32 -> ValueLayout.JAVA_INT_UNALIGNED;
            case F32 -> ValueLayout.JAVA_FLOAT_UNALIGNED;
            case F64 -> ValueLayout.JAVA_DOUBLE_UNALIGNED;
            case I64, U64 -> ValueLayout.JAVA_LONG_UNALIGNED;
        };
    }

    /**
     * As float32, rounded to nearest.
     *
     * @throws ArithmeticException if a finite element is too large for a float
     */
    float[] floats() {
        if (array instanceof float[] floats) {
            return floats.clone();
        }
        float[] floats = new float[length];
        for (int i = 0; i < length; i++) {
            floats[i] = switch (dtype) {
                case F64 -> toFloat(i);
                case I64 -> ((long[]) array)[i];
                case U64 -> unsigned(((long[]) array)[i]).floatValue();
                default -> (float) toDouble(i); // exact, or rounded once
            };
        }
        return floats;
    }

    private float toFloat(int i) {
        double value = toDouble(i);
        float rounded = (float) value;
        if (Float.isInfinite(rounded) && !Double.isInfinite(value)) {
            throw doesNotFit(i, Double.toString(value), "is too large for float32");
        }
        return rounded;
    }

    /** As float64; 64-bit integers are rounded to nearest, all others are exact. */
    double[] doubles() {
        if (array instanceof double[] doubles) {
            return doubles.clone();
        }
        double[] doubles = new double[length];
        for (int i = 0; i < length; i++) {
            doubles[i] = toDouble(i);
        }
        return doubles;
    }

    private double toDouble(int i) {
        return switch (dtype) {
            case F64 -> ((double[]) array)[i];
            case F32 -> ((float[]) array)[i];
            case F16 -> Float.float16ToFloat(((short[]) array)[i]);
            case BF16 -> Float.intBitsToFloat(((short[]) array)[i] << Short.SIZE);
            case F8_E5M2 -> Float.float16ToFloat((short) (((byte[]) array)[i] << Byte.SIZE));
            case F8_E4M3 -> ofE4M3(((byte[]) array)[i]);
            case U64 -> unsigned(((long[]) array)[i]).doubleValue();
            default -> toLong(i);
        };
    }

    /** One sign bit, 4 bits of exponent with bias 7, 3 of mantissa; all ones is NaN, exponent 0 is subnormal. */
    private static float ofE4M3(byte bits) {
        int magnitude = bits & 0x7f;
        if (magnitude == 0x7f) {
            return Float.NaN;
        }
        int exponent = magnitude >> 3;
        int mantissa = magnitude & 7;
        float value = exponent == 0 ? Math.scalb((float) mantissa, -9) : Math.scalb(8f + mantissa, exponent - 10);
        return bits < 0 ? -value : value;
    }

    /**
     * As 64-bit integers.
     *
     * @throws ArithmeticException if an element is no integer or does not fit
     */
    long[] longs() {
        if (dtype == DType.I64) {
            return ((long[]) array).clone();
        }
        long[] longs = new long[length];
        for (int i = 0; i < length; i++) {
            longs[i] = toLong(i);
        }
        return longs;
    }

    private long toLong(int i) {
        return switch (dtype) {
            case BOOL -> ((byte[]) array)[i] == 0 ? 0 : 1;
            case U8 -> Byte.toUnsignedLong(((byte[]) array)[i]);
            case I8 -> ((byte[]) array)[i];
            case I16 -> ((short[]) array)[i];
            case U16 -> Short.toUnsignedLong(((short[]) array)[i]);
            case I32 -> ((int[]) array)[i];
            case U32 -> Integer.toUnsignedLong(((int[]) array)[i]);
            case I64 -> ((long[]) array)[i];
            case U64 -> {
                long value = ((long[]) array)[i];
                if (value < 0) {
                    throw doesNotFit(i, Long.toUnsignedString(value), "is above 2^63 - 1");
                }
                yield value;
            }
            case F8_E5M2, F8_E4M3, F16, BF16, F32, F64 -> {
                double value = toDouble(i);
                if (value != Math.rint(value) || value < -0x1p63 || value >= 0x1p63) {
                    throw doesNotFit(i, Double.toString(value), "is no 64-bit integer");
                }
                yield (long) value;
            }
        };
    }

    private static BigInteger unsigned(long bits) {
        return new BigInteger(Long.toUnsignedString(bits));
    }

    private ArithmeticException doesNotFit(int i, String value, String why) {
        return new ArithmeticException("element " + i + " of " + length + ", " + value + ", " + why);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Elements that
                && dtype == that.dtype
                && Arrays.deepEquals(new Object[] {array}, new Object[] {that.array});
    }

    @Override
    public int hashCode() {
        return 31 * dtype.hashCode() + Arrays.deepHashCode(new Object[] {array});
    }
}
