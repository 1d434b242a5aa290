package org.batchnorm.state;

/** The type of a tensor's elements. The names are those in safetensors files. */
public enum DType {
    /** 32-bit IEEE 754, {@code float}. */
    F32(Float.BYTES),
    /** 64-bit IEEE 754, {@code double}. */
    F64(Double.BYTES),
    /** 64-bit two's complement, {@code long}. */
    I64(Long.BYTES);

    private final int bytes;

    DType(int bytes) {
        this.bytes = bytes;
    }

    /** The size of one element in bytes. */
    public int bytes() {
        return bytes;
    }
}
