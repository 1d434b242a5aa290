package org.batchnorm.spi;

import java.util.Optional;

/**
 * What a user may ask of a backend when it is opened.
 *
 * @param threads CPU threads, the caller's among them, ≥ 1; results do not depend on it
 * @param device a device's id as {@link BatchNormBackend#devices()} lists it; empty for the backend's own choice
 */
public record BackendOptions(int threads, Optional<String> device) {

    /** System property for the number of CPU threads. */
    public static final String THREADS_PROPERTY = "org.batchnorm.threads";

    /** System property for the device. */
    public static final String DEVICE_PROPERTY = "org.batchnorm.device";

    /**
     * Checks the values.
     *
     * @throws IllegalArgumentException if {@code threads} is less than 1
     */
    public BackendOptions {
        if (threads < 1) {
            throw new IllegalArgumentException("threads: " + threads + " given, must be at least 1");
        }
    }

    /**
     * The options that the system properties {@value #THREADS_PROPERTY} and {@value #DEVICE_PROPERTY} name; by default
     * all processors and the backend's own choice of a device.
     *
     * @throws IllegalArgumentException if the number of threads is no positive integer
     */
    public static BackendOptions fromSystemProperties() {
        return new BackendOptions(threadsProperty(), Optional.ofNullable(System.getProperty(DEVICE_PROPERTY)));
    }

    /**
     * For a backend without devices: refuses the name of one.
     *
     * @param backend the backend's name
     * @throws IllegalArgumentException if a device was asked for
     */
    public void requireNoDevice(String backend) {
        if (device.isPresent()) {
            throw new IllegalArgumentException(
                    "device: \"" + device.get() + "\" given, must be left out (in the call and in -D" + DEVICE_PROPERTY
                            + "): the backend " + backend + " has no devices");
        }
    }

    private static int threadsProperty() {
        String given = System.getProperty(THREADS_PROPERTY);
        if (given == null) {
            return Runtime.getRuntime().availableProcessors();
        }
        try {
            return Integer.parseInt(given.strip());
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(
                    "-D" + THREADS_PROPERTY + ": \"" + given + "\" given, must be a positive integer", e);
        }
    }
}
