package org.batchnorm.bench.tornadovm.model;

import java.util.List;
import org.batchnorm.bench.jmh.device.DeviceModel;
import org.batchnorm.bench.jmh.device.DeviceTimer.Version;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.tornadovm.DeviceLimits;
import org.batchnorm.tornadovm.Launch;

/** The model of {@link KernelTime} over the launches of {@link Launch}. */
public final class GpuModel implements DeviceModel {

    /** For the service loader. */
    public GpuModel() {}

    @Override
    public boolean knows(String device) {
        return Gpu.named(device).isPresent();
    }

    @Override
    public double millis(String device, Operation operation, BenchShape shape, Version version) {
        Gpu gpu = Gpu.named(device)
                .orElseThrow(() -> new IllegalArgumentException("device: \"" + device + "\" given, must be one of "
                        + Gpu.ALL.stream().map(Gpu::name).toList()));
        DeviceLimits own = gpu.limits();
        DeviceLimits limits = version == Version.ON_CHIP ? own : own.withoutLocalMemory();
        return kernels(operation, shape, limits, gpu).stream()
                        .mapToDouble(KernelTime::micros)
                        .sum()
                / 1e3;
    }

    /** The kernels of an operation as the pieces choose them, first to last. */
    static List<KernelTime> kernels(Operation operation, BenchShape shape, Gpu gpu) {
        return kernels(operation, shape, gpu.limits(), gpu);
    }

    private static List<KernelTime> kernels(Operation operation, BenchShape shape, DeviceLimits limits, Gpu gpu) {
        List<Launch> launches = switch (operation) {
            case INFERENCE -> Launch.inference(shape.batchShape(), limits);
            case FORWARD -> Launch.forward(shape.batchShape(), limits);
            case BACKWARD -> Launch.backward(shape.batchShape(), limits);
            case COPY, STEP, STREAM, READ, READ2, STREAM2 ->
                throw new IllegalArgumentException(
                        "operation: " + operation + " given, must be one of " + Operation.ofBatchNorm());
        };
        int tensors = operation == Operation.BACKWARD ? 3 : 2;
        boolean cached = (double) tensors * shape.batchShape().bytes() <= gpu.cacheMebibytes() * (1 << 20);
        return launches.stream()
                .map(launch -> KernelTime.of(launch, shape.batchShape().elements(), cached, gpu))
                .toList();
    }

    @Override
    public String report() {
        return ModelTable.markdown() + "\n" + ModelTable.slow();
    }
}
