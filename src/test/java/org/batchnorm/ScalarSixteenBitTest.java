package org.batchnorm;

/** 16-bit types on the backend {@code scalar}. */
class ScalarSixteenBitTest extends SixteenBitContractTest {
    @Override
    protected String backend() {
        return "scalar";
    }
}
