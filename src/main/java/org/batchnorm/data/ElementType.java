package org.batchnorm.data;

/** The type of a batch's values. Parameters, gradients of parameters and statistics have types of their own. */
public enum ElementType {
    /** IEEE 754 single precision, 4 bytes. */
    FLOAT32(Float.BYTES),

    /** IEEE 754 half precision, 2 bytes: 11 significant bits, at most 65504. */
    FLOAT16(Short.BYTES),

    /** The upper half of a {@link #FLOAT32}, 2 bytes: 8 significant bits, and the range of float32. */
    BFLOAT16(Short.BYTES),

    /** IEEE 754 double precision, 8 bytes: for layers of this type, whose parameters and statistics have it, too. */
    FLOAT64(Double.BYTES);

    private static final int BELOW_HALF_A_UNIT = 0x7fff;
    private static final int QUIET = 0x40;

    private final int bytes;

    ElementType(int bytes) {
        this.bytes = bytes;
    }

    /** The bytes of one value. */
    public int bytes() {
        return bytes;
    }

    /** Whether a value has 16 bits, and an array of them is a {@code short[]}. */
    public boolean is16Bit() {
        return bytes == Short.BYTES;
    }

    /**
     * The value of 16 bits, which float32 holds exactly.
     *
     * @throws IllegalStateException if the type has more
     */
    public float toFloat(short bits) {
        return switch (this) {
            case FLOAT16 -> Float.float16ToFloat(bits);
            case BFLOAT16 -> Float.intBitsToFloat(bits << Short.SIZE);
            case FLOAT32, FLOAT64 -> throw moreThan16Bits();
        };
    }

    /**
     * The 16 bits of a value, rounded to nearest, to even where two are as near. Beyond the type's range it is
     * infinite; a NaN stays one, and is made quiet.
     *
     * @throws IllegalStateException if the type has more bits
     */
    public short toBits(float value) {
        return switch (this) {
            case FLOAT16 -> Float.floatToFloat16(value);
            case BFLOAT16 -> bfloat16(value);
            case FLOAT32, FLOAT64 -> throw moreThan16Bits();
        };
    }

    private IllegalStateException moreThan16Bits() {
        return new IllegalStateException("a value of " + this + " has " + bytes * Byte.SIZE + " bits");
    }

    private static short bfloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        int upper = bits >>> Short.SIZE;
        if (Float.isNaN(value)) {
            return (short) (upper | QUIET);
        }
        // What lies above half a unit carries into the upper half; half a unit does where that is odd.
        return (short) ((bits + BELOW_HALF_A_UNIT + (upper & 1)) >>> Short.SIZE);
    }
}
