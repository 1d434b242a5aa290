package org.batchnorm.tornadovm.backend;

import org.batchnorm.PaddedSequencesContractTest;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Padded sequences on the backend {@code tornadovm}, forced, whatever the device. */
class TornadoPaddedSequencesTest extends PaddedSequencesContractTest {
    @RegisterExtension
    static final KeptOpen DEVICE = new KeptOpen();

    @Override
    protected String backend() {
        return TornadoBackend.NAME;
    }
}
