package org.batchnorm;

/** 16-bit types on the backend {@code scalar}. */
class ScalarSixteenBitTest extends CpuSixteenBitTest {
    @Override
    protected String backend() {
        return "scalar";
    }
}
