package org.batchnorm.float64;

/** Parts of batches of FLOAT64 on the CPU. */
class PartsTest extends Float64PartsContractTest {
    @Override
    protected String backend() {
        return "vector";
    }
}
