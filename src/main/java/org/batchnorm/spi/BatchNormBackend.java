package org.batchnorm.spi;

import java.time.Duration;
import java.util.List;

/**
 * A backend: a way to run batch normalization on this machine. Registered as a service; a provider's class must load
 * and answer {@link #name()}, {@link #priority()} and {@link #availability()} on every machine, whatever is missing
 * there: probing never throws.
 */
public interface BatchNormBackend {

    /** The name by which users force it: lower case, one word. */
    String name();

    /** Its place under {@code auto}: the usable backend of the highest priority is taken. */
    int priority();

    /** Whether it can be used in this process, or why not and what would help. Never throws. */
    Availability availability();

    /**
     * Whether {@code auto} may take it, or why not. Differs from {@link #availability()} for a backend that works here
     * but is known to lose (a device for host data that is a CPU in disguise). Never throws.
     */
    default Availability automatic() {
        return availability();
    }

    /** Its devices, usable or not; empty for a backend without any. Never throws. */
    default List<DeviceInfo> devices() {
        return List.of();
    }

    /**
     * How long this process has spent so far on what is paid once for each operation and size of batch, and is no part
     * of the work itself: compiling kernels for a device.
     */
    default Duration preparationTime() {
        return Duration.ZERO;
    }

    /**
     * Opens the backend. The operations are closed by whoever opened them.
     *
     * @throws BackendUnavailableException if it cannot be used, with the reason and the remedy
     * @throws IllegalArgumentException if an option names a device that does not exist
     */
    BatchNormOperations open(BackendOptions options);
}
