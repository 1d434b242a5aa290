package org.batchnorm.spi;

import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;
import org.batchnorm.data.BatchShape;
import org.jspecify.annotations.Nullable;

/**
 * What {@code auto} opens where a device was chosen: the device while it works and wants the shape, else the CPU. The
 * first failure of the device is said once in the log and ends its use; the CPU then does that same work again, from
 * inputs that the failed operation has not changed. Where the output stands in the place of an input, nobody knows what
 * the failed operation left there: that is an error, and the next operation is the CPU's.
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
        run(shape, false, operations -> operations.collectStatistics(shape, x, eps, statistics));
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
        run(shape, inPlace(x, y), operations -> operations.forward(shape, x, y, gamma, beta, eps, statistics));
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
        run(shape, inPlace(x, y), operations -> operations.inference(shape, x, y, gamma, beta, mean, variance, eps));
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
                inPlace(x, dx) || inPlace(dy, dx),
                operations ->
                        operations.backward(shape, x, dy, dx, gamma, statistics, throughStatistics, dgamma, dbeta));
    }

    @Override
    public void close() {
        device.close();
        cpu.close();
    }

    private void run(BatchShape shape, boolean inPlace, Consumer<BatchNormOperations> operation) {
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
                if (inPlace) {
                    throw new BackendUnavailableException(
                            "backend " + deviceName
                                    + " failed in an operation in place, which may have spoiled its input; do it again with"
                                    + " the input restored, " + cpuName + " will do the work: " + e.getMessage(),
                            e);
                }
            }
        }
        operation.accept(cpu);
    }

    /** Whether two segments, which are the same memory or have none in common, are the same. */
    private static boolean inPlace(MemorySegment input, MemorySegment output) {
        return input.asOverlappingSlice(output).isPresent();
    }
}
