package org.batchnorm;

import java.util.stream.Stream;
import org.batchnorm.conformance.ConformanceCase;
import org.batchnorm.conformance.ConformanceFiles;

/** The contract on the backend {@code vector}. */
class VectorBackendTest extends BatchNormContractTest {
    @Override
    protected String backend() {
        return "vector";
    }

    @Override
    protected Stream<ConformanceCase> conformanceCases() {
        return ConformanceFiles.allOfCpu();
    }
}
