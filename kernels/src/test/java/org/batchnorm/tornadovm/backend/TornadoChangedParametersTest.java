package org.batchnorm.tornadovm.backend;

import org.batchnorm.ChangedParametersContractTest;
import org.batchnorm.data.ElementType;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Parameters that change between forward and backward, on the backend {@code tornadovm}. */
class TornadoChangedParametersTest extends ChangedParametersContractTest {
    @RegisterExtension
    static final KeptOpen DEVICE = new KeptOpen();

    @Override
    protected String backend() {
        return TornadoBackend.NAME;
    }

    @Override
    protected boolean takes(ElementType type) {
        return !type.is16Bit() || DEVICE.operations().takes16Bit();
    }
}
