package org.batchnorm;

/** Padded sequences on the backend {@code scalar}. */
class ScalarPaddedSequencesTest extends PaddedSequencesContractTest {
    @Override
    protected String backend() {
        return "scalar";
    }
}
