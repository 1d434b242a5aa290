package org.batchnorm.spi;

import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;
import org.batchnorm.BatchShape;
import org.jspecify.annotations.Nullable;

/**
 * What {@code auto} opens where a device was chosen: the device while it works and wants the shape, else the CPU. The first failure of the device is said once in the
 * log and ends its use; the CPU then does that same work again, from inputs that the failed operation has not changed.
 */
final class FallbackOperations implements BatchNormOperations {
    private final String deviceName;
    private final BatchNormOperations device;
    private final String cpuName;
    private final BatchNormOperations cpu;
    private volatile boolean deviceFailed;

    FallbackOperations(String deviceName, BatchNormOperations device, String cpuName, BatchNormOperations cpu) {
        this.deviceName = deviceName;
        this.device = device;
        this.cpuName = cpuName;
        this.cpu = cpu;
    }

    @Override
    public void collectStatistics(BatchShape shape, MemorySegment x, double eps, BatchStatistics statistics) {
        run(shape, operations -> operations.collectStatistics(shape, x, eps, statistics));
    }

    @Override
    public void forward(
            BatchShape shape,
            MemorySegment x,
            MemorySegment y,
            float @Nullable [] gamma,
            float @Nullable [] beta,
            double eps,
            BatchStatistics statistics) {
        run(shape, operations -> operations.forward(shape, x, y, gamma, beta, eps, statistics));
    }

    @Override
    public void inference(
            BatchShape shape,
            MemorySegment x,
            MemorySegment y,
            float @Nullable [] gamma,
            float @Nullable [] beta,
            float[] mean,
            float[] variance,
            double eps) {
        run(shape, operations -> operations.inference(shape, x, y, gamma, beta, mean, variance, eps));
    }

    @Override
    public void backward(
            BatchShape shape,
            MemorySegment x,
            MemorySegment dy,
            MemorySegment dx,
            float @Nullable [] gamma,
            BatchStatistics statistics,
            boolean throughStatistics,
            float[] dgamma,
            float[] dbeta) {
        run(
                shape,
                operations ->
                        operations.backward(shape, x, dy, dx, gamma, statistics, throughStatistics, dgamma, dbeta));
    }

    @Override
    public void close() {
        device.close();
        cpu.close();
    }

    private void run(BatchShape shape, Consumer<BatchNormOperations> operation) {
        if (!deviceFailed && device.prefers(shape)) {
            try {
                operation.accept(device);
                return;
            } catch (BackendUnavailableException e) {
                deviceFailed = true;
                Backends.sayOnce(
                        System.Logger.Level.WARNING,
                        "backend " + deviceName + " failed and is not used again by this layer, " + cpuName
                                + " does its work: " + e.getMessage());
            }
        }
        operation.accept(cpu);
    }
}
