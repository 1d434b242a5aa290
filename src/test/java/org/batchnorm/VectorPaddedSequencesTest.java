package org.batchnorm;

/** Padded sequences on the backend {@code vector}. */
class VectorPaddedSequencesTest extends PaddedSequencesContractTest {
    @Override
    protected String backend() {
        return "vector";
    }
}
