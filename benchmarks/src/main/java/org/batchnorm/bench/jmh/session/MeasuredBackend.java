package org.batchnorm.bench.jmh.session;

import java.util.Optional;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Kind;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormOperations;

/**
 * One of our backends, as a run measures it.
 *
 * @param name its name
 * @param device {@link #CPU}, or the device that it uses, by its description
 */
public record MeasuredBackend(String name, String device) {

    /** The device of a backend that computes on the CPU, with as many threads as it is told. */
    public static final String CPU = "cpu";

    /** A backend on the CPU. */
    public static MeasuredBackend onCpu(String name) {
        return new MeasuredBackend(name, CPU);
    }

    /**
     * Whether it does the operations of the kind; it is opened to be asked. Types wider than float32 want parameters of
     * their own, which are not measured.
     */
    public boolean does(Kind kind) {
        if (kind.isPlain() || kind.type().bytes() > Float.BYTES) {
            return kind.isPlain();
        }
        BackendOptions options =
                new BackendOptions(1, BackendOptions.fromSystemProperties().device());
        try (BatchNormOperations operations =
                Backends.open(Optional.of(name), options).operations()) {
            return (!kind.type().is16Bit() || operations.takes16Bit())
                    && (kind.fusion() == Fusion.NONE || operations.doesActivations());
        }
    }

    /** Whether it computes elsewhere: the CPU's threads are then of no concern, and host data are transferred. */
    public boolean onDevice() {
        return !device.equals(CPU);
    }
}
