package org.batchnorm;

/** What the paper says, on the backend {@code vector}. */
class VectorPaperTest extends PaperContractTest {
    @Override
    protected String backend() {
        return "vector";
    }
}
