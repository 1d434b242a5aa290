package org.batchnorm.bench.tornadovm;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.batchnorm.bench.device.DeviceTimer;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;
import uk.ac.manchester.tornado.api.TornadoTargetDevice;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoDeviceType;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;

/** Times the task-graph pieces through TornadoVM. */
final class TornadoDeviceTimer implements DeviceTimer {
    private static final Path NVIDIA_VERSION = Path.of("/proc/driver/nvidia/version");
    private static final int PROFILED_EXECUTIONS = 7;

    private final TornadoDevice device;
    private final String id;

    private TornadoDeviceTimer(String id, TornadoDevice device) {
        this.id = id;
        this.device = device;
    }

    @Override
    public Facts facts() {
        TornadoTargetDevice physical = device.getPhysicalDevice();
        return new Facts(
                id,
                physical.getDeviceName().strip(),
                device.getTornadoVMBackend().toString(),
                driver(),
                device.getDeviceType() == TornadoDeviceType.CPU,
                device.getMaxGlobalMemory(),
                physical.getDeviceMaxComputeUnits(),
                physical.getDeviceMaxWorkGroupSize()[0],
                physical.getDeviceLocalMemorySize());
    }

    /** NVIDIA's kernel module tells its version; of others the platform's name must do. */
    private String driver() {
        try {
            if (Files.isReadable(NVIDIA_VERSION)) {
                return Files.readString(NVIDIA_VERSION)
                        .lines()
                        .findFirst()
                        .orElse("")
                        .strip();
            }
        } catch (IOException e) {
            return device.getPlatformName();
        }
        return device.getPlatformName();
    }

    @Override
    public Timing time(Operation operation, BenchShape shape, Way way, Samples.Plan plan) {
        if (way == Way.REPLAYED && device.getTornadoVMBackend() == TornadoVMBackendType.OPENCL) {
            throw new UnsupportedOperationException("OpenCL has no graphs to replay");
        }
        try (TimedGraph graph = new TimedGraph(operation, shape, way, device)) {
            double firstMillis = graph.execute(1) / 1e6;
            graph.check();
            Samples wall = Samples.take(plan, graph::execute);
            return way == Way.REPLAYED
                    ? new Timing(firstMillis, wall, Optional.empty(), Map.of())
                    : graph.profile(PROFILED_EXECUTIONS, firstMillis, wall);
        }
    }

    /** Opens devices. */
    public static final class Provider implements DeviceTimer.Provider {

        /** For the service loader. */
        public Provider() {}

        @Override
        public DeviceTimer open(Optional<String> device) {
            Devices.Device chosen = Devices.choose(device);
            return new TornadoDeviceTimer(chosen.id(), chosen.handle());
        }
    }
}
