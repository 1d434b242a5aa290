package org.batchnorm.bench.tornadovm;

import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import org.batchnorm.bench.jmh.device.DeviceTimer;
import org.batchnorm.bench.tornadovm.resident.CudaGraphs;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;
import org.batchnorm.tornadovm.DeviceLimits;
import org.jspecify.annotations.Nullable;
import uk.ac.manchester.tornado.api.TornadoTargetDevice;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoDeviceType;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;

/** Times the task-graph pieces through TornadoVM. */
final class TornadoDeviceTimer implements DeviceTimer {
    private static final int PROFILED_EXECUTIONS = 11;

    /** The largest error of a value, relative to the largest magnitude expected. */
    private static final double TOLERANCE = 1e-5;

    private final Facts facts;
    private final TornadoDevice device;
    private @Nullable Workload latest;

    private TornadoDeviceTimer(Facts facts, TornadoDevice device) {
        this.facts = facts;
        this.device = device;
    }

    @Override
    public Facts facts() {
        return facts;
    }

    @Override
    public Timing time(Operation operation, BenchShape shape, Way way, Kernels kernels, Samples.Plan plan) {
        try {
            return time(workload(operation, shape), way, limits(kernels), plan);
        } catch (OutOfMemoryError e) {
            latest = null;
            throw new IllegalStateException("not enough memory on the host for " + operation + " on " + shape, e);
        } catch (RuntimeException | Error e) { // TornadoVM and its drivers throw both, for one measurement's sake.
            throw new IllegalStateException(rootMessage(e), e);
        }
    }

    private Timing time(Workload workload, Way way, DeviceLimits limits, Samples.Plan plan) {
        try (TimedGraph graph =
                new TimedGraph(workload.operation(), workload.shape(), workload.inputs(), way, limits, device)) {
            double firstMillis = graph.execute(1) / 1e6;
            if (way == Way.REPLAYED) {
                // The first execution recorded; what it recorded is to be checked.
                graph.execute(1);
            }
            workload.check(graph.results());
            Samples wall = Samples.take(plan, graph::execute);
            return way == Way.REPLAYED
                    ? new Timing(graph.version(), firstMillis, wall, Optional.empty(), Map.of())
                    : graph.profile(PROFILED_EXECUTIONS, firstMillis, wall);
        }
    }

    private DeviceLimits limits(Kernels kernels) {
        DeviceLimits own = DeviceLimits.of(device);
        return kernels == Kernels.CHOSEN ? own : own.withoutLocalMemory();
    }

    /** What an operation on a shape works on and must give; made anew only if another is asked for. */
    private Workload workload(Operation operation, BenchShape shape) {
        Workload kept = latest;
        latest = null; // For the collector, where the next one is large.
        if (kept == null || !kept.shape().equals(shape)) {
            kept = Workload.of(operation, shape, Inputs.of(Operation.BACKWARD, shape));
        } else if (kept.operation() != operation) {
            kept = Workload.of(operation, shape, kept.inputs());
        }
        latest = kept;
        return kept;
    }

    /** The innermost message, without terminal colours and line breaks. */
    private static String rootMessage(Throwable failure) {
        Throwable root = failure;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        String message = root.getMessage() == null ? root.getClass().getSimpleName() : root.getMessage();
        return message.replaceAll("\u001B\\[[0-9;]*m", "")
                .replaceAll("\\s+", " ")
                .strip();
    }

    /**
     * An operation on a shape.
     *
     * @param inputs of all operations on the shape
     * @param expected empty for a copy
     */
    private record Workload(Operation operation, BenchShape shape, Inputs inputs, Optional<Expected> expected) {
        static Workload of(Operation operation, BenchShape shape, Inputs inputs) {
            return new Workload(
                    operation,
                    shape,
                    inputs,
                    operation.baseline() ? Optional.empty() : Optional.of(Expected.of(operation, shape, inputs)));
        }

        void check(Map<String, float[]> results) {
            if (expected.isPresent()) {
                expected.get().check("the device", results, TOLERANCE);
                return;
            }
            int wrong = Arrays.mismatch(inputs.x(), results.getOrDefault(Expected.Y, new float[0]));
            if (wrong >= 0) {
                throw new IllegalStateException("the copy of " + shape + " is wrong at value " + wrong);
            }
        }
    }

    /** Opens devices. */
    public static final class Provider implements DeviceTimer.Provider {

        /** For the service loader. */
        public Provider() {}

        @Override
        public DeviceTimer open(Optional<String> device) {
            Devices.Device chosen = Devices.choose(device);
            return new TornadoDeviceTimer(facts(chosen), chosen.handle());
        }

        private static Facts facts(Devices.Device chosen) {
            TornadoDevice device = chosen.handle();
            TornadoTargetDevice physical = device.getPhysicalDevice();
            TornadoVMBackendType backend = device.getTornadoVMBackend();
            return new Facts(
                    chosen.id(),
                    physical.getDeviceName().strip(),
                    backend.toString(),
                    Drivers.describe(device),
                    device.getDeviceType() == TornadoDeviceType.CPU,
                    CudaGraphs.recordedOn(device),
                    device.getMaxGlobalMemory(),
                    physical.getDeviceMaxComputeUnits(),
                    DeviceLimits.of(device).maxWorkGroup(),
                    physical.getDeviceLocalMemorySize());
        }
    }
}
