package org.batchnorm.data;

/** The type of a batch's values. Parameters, gradients of parameters and statistics have types of their own. */
public enum ElementType {
    /** IEEE 754 single precision, 4 bytes. */
    FLOAT32(Float.BYTES);

    private final int bytes;

    ElementType(int bytes) {
        this.bytes = bytes;
    }

    /** The bytes of one value. */
    public int bytes() {
        return bytes;
    }
}
