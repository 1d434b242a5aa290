package org.batchnorm.state;

import java.util.Optional;

/** The type of a tensor's elements. The names are those in safetensors files. */
public enum DType {
    /** A byte that is 0 for false. */
    BOOL(Byte.BYTES),
    /** 8-bit, unsigned. */
    U8(Byte.BYTES),
    /** 8-bit two's complement. */
    I8(Byte.BYTES),
    /** 8-bit floating point with 5 bits of exponent and 2 of mantissa: the upper half of an {@link #F16}. */
    F8_E5M2(Byte.BYTES),
    /** 8-bit floating point with 4 bits of exponent and 3 of mantissa, without infinities (PyTorch's e4m3fn). */
    F8_E4M3(Byte.BYTES),
    /** 16-bit two's complement. */
    I16(Short.BYTES),
    /** 16-bit, unsigned. */
    U16(Short.BYTES),
    /** 16-bit IEEE 754. */
    F16(Short.BYTES),
    /** The upper half of an {@link #F32}. */
    BF16(Short.BYTES),
    /** 32-bit two's complement. */
    I32(Integer.BYTES),
    /** 32-bit, unsigned. */
    U32(Integer.BYTES),
    /** 32-bit IEEE 754, {@code float}. */
    F32(Float.BYTES),
    /** 64-bit IEEE 754, {@code double}. */
    F64(Double.BYTES),
    /** 64-bit two's complement, {@code long}. */
    I64(Long.BYTES),
    /** 64-bit, unsigned. */
    U64(Long.BYTES);

    private final int bytes;

    DType(int bytes) {
        this.bytes = bytes;
    }

    /** The size of one element in bytes. */
    public int bytes() {
        return bytes;
    }

    /** The type of that name; empty for one that is not here. */
    public static Optional<DType> named(String name) {
        for (DType dtype : values()) {
            if (dtype.name().equals(name)) {
                return Optional.of(dtype);
            }
        }
        return Optional.empty();
    }
}
