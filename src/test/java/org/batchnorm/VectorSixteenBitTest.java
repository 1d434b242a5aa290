package org.batchnorm;

/** 16-bit types on the backend {@code vector}. */
class VectorSixteenBitTest extends CpuSixteenBitTest {
    @Override
    protected String backend() {
        return "vector";
    }
}
