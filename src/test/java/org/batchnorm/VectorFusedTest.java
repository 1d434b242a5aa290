package org.batchnorm;

import org.junit.jupiter.api.Tag;

/** What is done beside batch norm on the backend {@code vector}. */
@Tag("thorough")
class VectorFusedTest extends FusedContractTest {
    @Override
    protected String backend() {
        return "vector";
    }
}
