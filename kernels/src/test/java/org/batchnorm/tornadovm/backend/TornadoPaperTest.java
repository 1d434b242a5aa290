package org.batchnorm.tornadovm.backend;

import org.batchnorm.PaperContractTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What the paper says, on the backend {@code tornadovm}. */
@Tag("thorough")
class TornadoPaperTest extends PaperContractTest {
    @RegisterExtension
    static final KeptOpen DEVICE = new KeptOpen();

    @Override
    protected String backend() {
        return TornadoBackend.NAME;
    }
}
