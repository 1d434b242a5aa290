package org.batchnorm.tornadovm.backend;

import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.BatchNormOperations;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * The device, open from the first test of a class to the last, so that what one layer had compiled serves the next. A
 * class has it in a static field with {@code @RegisterExtension}.
 */
final class KeptOpen implements BeforeAllCallback, AfterAllCallback {
    private BatchNormOperations operations;

    @Override
    public void beforeAll(ExtensionContext context) {
        operations = new TornadoBackend().open(BackendOptions.fromSystemProperties());
    }

    @Override
    public void afterAll(ExtensionContext context) {
        operations.close();
    }

    BatchNormOperations operations() {
        return operations;
    }
}
