package org.batchnorm;

/** What the paper says, on the backend {@code scalar}. */
class ScalarPaperTest extends PaperContractTest {
    @Override
    protected String backend() {
        return "scalar";
    }
}
