package org.batchnorm;

/** 16-bit types on the backend {@code scalar}. */
class ScalarSixteenBitTest extends SixteenBitCombinationsTest {
    @Override
    protected String backend() {
        return "scalar";
    }
}
