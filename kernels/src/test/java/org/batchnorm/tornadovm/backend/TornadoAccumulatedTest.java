package org.batchnorm.tornadovm.backend;

import org.batchnorm.AccumulatedContractTest;
import org.junit.jupiter.api.Tag;

/** Accumulated batches on the backend {@code tornadovm}. */
@Tag("thorough")
class TornadoAccumulatedTest extends AccumulatedContractTest {
    @Override
    protected String backend() {
        return TornadoBackend.NAME;
    }

    /** The device reduces dy as it is, so dγ loses digits of a feature where dy has a large mean. */
    @Override
    protected double largestMeanOfDy() {
        return 3;
    }
}
