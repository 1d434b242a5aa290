package org.batchnorm.bench.cli;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Consumer;
import org.batchnorm.BatchNormBuilder;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormBackend;
import org.batchnorm.spi.BatchNormOperations;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The options that choose what runs batch norm, the same for all commands. */
final class BackendArguments {
    private static final String ON_DEVICE = "tornadovm";

    /** What to do where a build has no backend for devices. */
    static final String HOW_TO_BUILD = "set TORNADOVM_HOME to a TornadoVM SDK for JDK 25 and build again";

    @Option(
            names = "--backend",
            paramLabel = "NAME",
            description = {
                "What runs batch norm: vector, scalar, tornadovm, or auto for the library's choice; see 'batchnorm devices'.",
                "Default: the system property org.batchnorm.backend, else auto."
            })
    private @Nullable String backend;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "CPU threads. Results do not depend on it. Default: all processors.")
    private @Nullable Integer threads;

    @Option(
            names = "--device",
            paramLabel = "ID",
            description = {
                "The device of the tornadovm backend, as 'batchnorm devices' lists it, for example 0:0; without --backend it stands",
                "for --backend tornadovm. Default: the backend's choice."
            })
    private @Nullable String device;

    /**
     * The backend asked for; empty for the default.
     *
     * @throws IllegalArgumentException if a device was asked for of a backend that has none, or if this build has no
     *     backend for devices
     */
    Optional<String> backend() {
        if (device != null && backend != null && !backend.equals(ON_DEVICE) && !backend.equals(Backends.AUTO)) {
            throw new IllegalArgumentException("--device: \"" + device + "\" given, must be left out with --backend "
                    + backend + ", which has no devices");
        }
        String chosen = backend == null && device != null ? ON_DEVICE : backend;
        if (chosen != null) {
            requireBuilt(chosen);
        }
        return Optional.ofNullable(chosen);
    }

    /**
     * The device for training wholly on it; empty for the default.
     *
     * @throws IllegalArgumentException if a backend was asked for that has no devices
     */
    Optional<String> residentDevice() {
        if (!backend().orElse(ON_DEVICE).equals(ON_DEVICE)) {
            throw new IllegalArgumentException("--backend: " + backend().orElse("") + " given, must be " + ON_DEVICE
                    + " or left out with --resident, which trains on its device");
        }
        return options().device();
    }

    /** Says what to do where {@code name} is the backend for devices and not part of this build. */
    static void requireBuilt(String name) {
        if (name.equals(ON_DEVICE)
                && Backends.all().stream().noneMatch(backend -> backend.name().equals(ON_DEVICE))) {
            throw new IllegalArgumentException(
                    "backend: \"" + ON_DEVICE + "\" given, is not part of this build; " + HOW_TO_BUILD);
        }
    }

    /** The options asked for, over the defaults. */
    BackendOptions options() {
        BackendOptions defaults = BackendOptions.fromSystemProperties();
        return new BackendOptions(
                threads == null ? defaults.threads() : threads,
                Optional.ofNullable(device).or(defaults::device));
    }

    /** Whether the backend asked for does activations with batch norm; it is opened to be asked. */
    boolean doesActivations() {
        try (BatchNormOperations operations =
                Backends.open(backend(), options()).operations()) {
            return operations.doesActivations();
        }
    }

    /** Sets in the builder of a layer what was asked for. */
    BatchNormBuilder choose(BatchNormBuilder builder) {
        backend().ifPresent(builder::backend);
        ifGiven(threads, builder::threads);
        ifGiven(device, builder::device);
        return builder;
    }

    /** Says how long compiling for a device took, where there was something to compile. */
    static void reportPreparation(PrintWriter out) {
        for (BatchNormBackend backend : Backends.all()) {
            Duration time = backend.preparationTime();
            if (!time.isZero()) {
                out.printf(
                        Locale.ROOT,
                        "Compiling for %s took %.1f s, paid once for each operation and size of batch.%n",
                        backend.name(),
                        time.toMillis() / 1e3);
            }
        }
    }

    private static <T> void ifGiven(@Nullable T value, Consumer<T> use) {
        if (value != null) {
            use.accept(value);
        }
    }
}
