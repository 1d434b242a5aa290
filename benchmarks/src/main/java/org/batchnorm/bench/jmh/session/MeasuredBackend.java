package org.batchnorm.bench.jmh.session;

import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Kind;
import org.batchnorm.data.ElementType;
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

    /** What the backends that were asked do: to open one can take seconds. */
    private static final Map<MeasuredBackend, Abilities> ASKED = new ConcurrentHashMap<>();

    private record Abilities(boolean takes16Bit, boolean takesFloat64, boolean doesActivations) {}

    /** A backend on the CPU. */
    public static MeasuredBackend onCpu(String name) {
        return new MeasuredBackend(name, CPU);
    }

    /** Whether it does the operations of the kind; it is opened to be asked, once. */
    public boolean does(Kind kind) {
        if (kind.isPlain()) {
            return true;
        }
        Abilities can = ASKED.computeIfAbsent(this, MeasuredBackend::ask);
        return (!kind.type().is16Bit() || can.takes16Bit)
                && (kind.type() != ElementType.FLOAT64 || can.takesFloat64)
                && (kind.fusion() == Fusion.NONE || can.doesActivations);
    }

    private Abilities ask() {
        BackendOptions options =
                new BackendOptions(1, BackendOptions.fromSystemProperties().device());
        try (BatchNormOperations operations =
                Backends.open(Optional.of(name), options).operations()) {
            return new Abilities(operations.takes16Bit(), operations.takesFloat64(), operations.doesActivations());
        }
    }

    /** Whether it computes elsewhere: the CPU's threads are then of no concern, and host data are transferred. */
    public boolean onDevice() {
        return !device.equals(CPU);
    }
}
