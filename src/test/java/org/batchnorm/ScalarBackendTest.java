package org.batchnorm;

import java.util.stream.Stream;
import org.batchnorm.conformance.ConformanceCase;
import org.batchnorm.conformance.ConformanceFiles;

/** The contract on the backend {@code scalar}. */
class ScalarBackendTest extends BatchNormContractTest {
    @Override
    protected String backend() {
        return "scalar";
    }

    @Override
    protected Stream<ConformanceCase> conformanceCases() {
        return ConformanceFiles.allOfCpu();
    }
}
