package org.batchnorm;

import java.util.Optional;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.Backends;
import org.jspecify.annotations.Nullable;

/** Which backend a builder is to open; what is not set is the system properties' to say. */
final class BackendChoice {
    private @Nullable String backend;
    private @Nullable String device;
    private @Nullable Integer threads;

    void backend(String name) {
        Arguments.requireGiven("backend", name, "a backend's name, or auto; without this call it is the default");
        backend = name;
    }

    void device(String name) {
        Arguments.requireGiven("device", name, "a device's id; without this call it is the default");
        device = name;
    }

    void threads(int count) {
        threads = count;
    }

    Backends.OpenBackend open() {
        BackendOptions defaults = BackendOptions.fromSystemProperties();
        BackendOptions options = new BackendOptions(
                threads != null ? threads : defaults.threads(),
                Optional.ofNullable(device).or(defaults::device));
        return Backends.open(Optional.ofNullable(backend), options);
    }
}
