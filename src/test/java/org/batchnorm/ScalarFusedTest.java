package org.batchnorm;

import org.junit.jupiter.api.Tag;

/** What is done beside batch norm on the backend {@code scalar}. */
@Tag("thorough")
class ScalarFusedTest extends FusedContractTest {
    @Override
    protected String backend() {
        return "scalar";
    }
}
