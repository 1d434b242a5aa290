package org.batchnorm.spi;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Finds the backends and chooses one. By name a backend is forced: it is opened or an exception says why not.
 * {@value #AUTO} takes the usable backend of the highest priority, says once in the log why a better one was passed
 * over, and lets the CPU do the work where a device fails.
 */
public final class Backends {

    /** System property that names the backend where the caller does not. */
    public static final String BACKEND_PROPERTY = "org.batchnorm.backend";

    /** The name that leaves the choice to the library. */
    public static final String AUTO = "auto";

    /** The backend that comes in an artifact of its own. */
    private static final String TORNADOVM = "tornadovm";

    private static final System.Logger LOG = System.getLogger(Backends.class.getName());
    private static final Set<String> SAID = ConcurrentHashMap.newKeySet();

    private Backends() {}

    /**
     * Every backend on the class path, usable or not, the highest priority first. A provider that cannot even be loaded
     * stands in the list with the reason.
     */
    public static List<BatchNormBackend> all() {
        List<BatchNormBackend> backends = new ArrayList<>();
        Set<String> failures = new HashSet<>();
        var providers = ServiceLoader.load(BatchNormBackend.class, BatchNormBackend.class.getClassLoader()).stream()
                .iterator();
        boolean more = true;
        while (more) {
            try {
                more = providers.hasNext();
                if (more) {
                    backends.add(load(providers.next()));
                }
            } catch (ServiceConfigurationError e) {
                // One provider that is not there does not hide the others; a failure that comes again would never end.
                more = failures.add(String.valueOf(e.getMessage()));
                if (more) {
                    backends.add(new UnloadableBackend("unknown", e));
                }
            }
        }
        backends.sort(Comparator.comparingInt(BatchNormBackend::priority).reversed());
        return List.copyOf(backends);
    }

    /**
     * Opens a backend.
     *
     * @param name a backend's name, {@value #AUTO}, or empty for what the system property {@value #BACKEND_PROPERTY}
     *     says, and {@value #AUTO} where it says nothing
     * @throws IllegalArgumentException if no backend has that name, or if the options name a device that the backend
     *     (under {@value #AUTO}: any backend) does not have
     * @throws BackendUnavailableException if the named backend cannot be used here
     */
    public static OpenBackend open(Optional<String> name, BackendOptions options) {
        String wanted = name.or(() -> Optional.ofNullable(System.getProperty(BACKEND_PROPERTY)))
                .orElse(AUTO);
        List<BatchNormBackend> all = all();
        return wanted.equals(AUTO) ? openAutomatically(all, options) : openForced(all, wanted, options);
    }

    private static OpenBackend openForced(List<BatchNormBackend> all, String name, BackendOptions options) {
        BatchNormBackend backend = all.stream()
                .filter(candidate -> candidate.name().equals(name))
                .findFirst()
                .orElseThrow(() -> unknown(all, name));
        Availability availability = backend.availability();
        if (!availability.usable()) {
            throw new BackendUnavailableException(
                    "backend " + name + " was asked for and cannot be used: " + availability);
        }
        return OpenBackend.of(name, backend.open(options));
    }

    private static IllegalArgumentException unknown(List<BatchNormBackend> all, String name) {
        String known = all.stream().map(BatchNormBackend::name).collect(Collectors.joining(", "));
        String remedy = name.equals(TORNADOVM)
                ? "; for " + TORNADOVM + " put the artifact tornado-batchnorm-kernels on the class path"
                : "";
        return new IllegalArgumentException(
                "backend: \"" + name + "\" given, must be one of " + AUTO + ", " + known + remedy);
    }

    private static OpenBackend openAutomatically(List<BatchNormBackend> all, BackendOptions options) {
        options.device().ifPresent(id -> requireDevice(all, id));
        BackendOptions withoutDevice = new BackendOptions(options.threads(), Optional.empty());
        BatchNormOperations device = null;
        String deviceName = "";
        for (BatchNormBackend backend : all) {
            Availability automatic = backend.automatic();
            if (!automatic.usable()) {
                sayOnce(System.Logger.Level.INFO, "backend " + backend.name() + " is passed over: " + automatic);
                continue;
            }
            boolean onDevice = !backend.devices().isEmpty();
            boolean isAsked = options.device().map(id -> hasDevice(backend, id)).orElse(true);
            if (onDevice && (device != null || !isAsked)) {
                continue;
            }
            BatchNormOperations operations;
            try {
                operations = backend.open(onDevice ? options : withoutDevice);
            } catch (BackendUnavailableException e) {
                sayOnce(
                        System.Logger.Level.WARNING,
                        "backend " + backend.name() + " is passed over: " + e.getMessage());
                continue;
            }
            if (onDevice) {
                device = operations;
                deviceName = backend.name();
            } else if (device == null) {
                return OpenBackend.of(backend.name(), operations);
            } else {
                return OpenBackend.of(
                        deviceName, new FallbackOperations(deviceName, device, backend.name(), operations));
            }
        }
        if (device != null) {
            return OpenBackend.of(deviceName, device);
        }
        throw new BackendUnavailableException("no backend can be used: "
                + all.stream()
                        .map(backend -> backend.name() + ": " + backend.availability())
                        .collect(Collectors.joining("; ")));
    }

    private static void requireDevice(List<BatchNormBackend> all, String id) {
        if (all.stream().noneMatch(backend -> hasDevice(backend, id))) {
            String devices = all.stream()
                    .flatMap(backend -> backend.devices().stream())
                    .map(device -> device.id() + " " + device.description())
                    .collect(Collectors.joining(", "));
            throw new IllegalArgumentException("device: \"" + id + "\" given, must be left out"
                    + (devices.isEmpty() ? ", as no backend has devices here" : " or one of " + devices)
                    + unusable(all));
        }
    }

    private static boolean hasDevice(BatchNormBackend backend, String id) {
        return backend.devices().stream().anyMatch(device -> device.id().equals(id));
    }

    /** What cannot be used, each with its reason. */
    private static String unusable(List<BatchNormBackend> all) {
        return all.stream()
                .filter(backend -> !backend.availability().usable())
                .map(backend -> "; backend " + backend.name() + " cannot be used: " + backend.availability())
                .collect(Collectors.joining());
    }

    private static BatchNormBackend load(ServiceLoader.Provider<BatchNormBackend> provider) {
        try {
            return provider.get();
        } catch (ServiceConfigurationError | LinkageError e) {
            return new UnloadableBackend(provider.type().getSimpleName(), e);
        }
    }

    static void sayOnce(System.Logger.Level level, String message) {
        if (SAID.add(message)) {
            LOG.log(level, message);
        }
    }

    /**
     * A backend that was opened.
     *
     * @param name which one
     * @param operations what it can do; to be closed by whoever opened it
     */
    public record OpenBackend(String name, BatchNormOperations operations) {

        /** Operations that answer for batches without values themselves. */
        static OpenBackend of(String name, BatchNormOperations ofBackend) {
            return new OpenBackend(name, new GuardedOperations(name, ofBackend));
        }
    }

    /** Stands for a provider whose class could not be loaded, so that {@code devices} can list it. */
    private record UnloadableBackend(String name, Throwable failure) implements BatchNormBackend {
        @Override
        public int priority() {
            return Integer.MIN_VALUE;
        }

        @Override
        public Availability availability() {
            Throwable root = failure;
            for (@Nullable Throwable cause = failure; cause != null; cause = cause.getCause()) {
                root = cause;
            }
            return Availability.unusable(
                    "its classes cannot be loaded: " + root, "put the jars that it needs on the class path");
        }

        @Override
        public BatchNormOperations open(BackendOptions options) {
            throw new BackendUnavailableException("backend " + name + " cannot be used: " + availability(), failure);
        }
    }
}
