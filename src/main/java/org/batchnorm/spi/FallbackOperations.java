package org.batchnorm.spi;

import java.util.function.Consumer;
import org.batchnorm.data.Batch;

/**
 * What {@code auto} opens where a device was chosen: the device while it works, wants the shape and can do what is
 * asked, else the CPU. The first failure of the device is said once in the log and ends its use; the CPU then does that
 * same work again, from inputs that the failed operation has not changed. Where the output stands in the place of an
 * input, nobody knows what the failed operation left there: that is an error, and the next operation is the CPU's.
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
    public void collectStatistics(Tensors tensors, Moments moments) {
        run(tensors, false, operations -> operations.collectStatistics(tensors, moments));
    }

    @Override
    public void transform(Tensors tensors, Normalization normalization) {
        run(tensors, isForwardInPlace(tensors), operations -> operations.transform(tensors, normalization));
    }

    @Override
    public void reduceGradients(Tensors tensors, Normalization normalization, GradientSums sums) {
        run(
                tensors,
                isResidualGradientInPlace(tensors),
                operations -> operations.reduceGradients(tensors, normalization, sums));
    }

    @Override
    public void inputGradient(Tensors tensors, Normalization normalization, GradientSums sums) {
        run(
                tensors,
                isInputGradientInPlace(tensors),
                operations -> operations.inputGradient(tensors, normalization, sums));
    }

    @Override
    public void forward(Tensors tensors, Normalization normalization) {
        run(tensors, isForwardInPlace(tensors), operations -> operations.forward(tensors, normalization));
    }

    @Override
    public void backward(Tensors tensors, Normalization normalization, GradientSums sums) {
        run(tensors, isBackwardInPlace(tensors), operations -> operations.backward(tensors, normalization, sums));
    }

    @Override
    public void requireTaken(Tensors tensors) {
        cpu.requireTaken(tensors);
    }

    @Override
    public boolean doesActivations() {
        return cpu.doesActivations();
    }

    @Override
    public boolean doesBackwardFromOutput() {
        return cpu.doesBackwardFromOutput();
    }

    @Override
    public boolean takes16Bit() {
        return cpu.takes16Bit();
    }

    @Override
    public boolean takesFloat64() {
        return cpu.takesFloat64();
    }

    @Override
    public void close() {
        device.close();
        cpu.close();
    }

    private void run(Tensors tensors, boolean inPlace, Consumer<BatchNormOperations> operation) {
        if (!deviceFailed && device.prefers(tensors.shape()) && canDo(tensors)) {
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

    private boolean canDo(Tensors tensors) {
        boolean plain = tensors.activations().areNone() && tensors.residual() == null && tensors.dresidual() == null;
        return (plain || device.doesActivations())
                && (!tensors.needBackwardFromOutput() || device.doesBackwardFromOutput())
                && tensors.areTakenBy(device);
    }

    private static boolean isForwardInPlace(Tensors tensors) {
        Batch y = tensors.y();
        Batch residual = tensors.residual();
        return tensors.x().overlap(y) > 0 || (residual != null && residual.overlap(y) > 0);
    }

    private static boolean isResidualGradientInPlace(Tensors tensors) {
        Batch dresidual = tensors.dresidual();
        return dresidual != null && (dresidual.overlap(tensors.y()) > 0 || dresidual.overlap(tensors.dy()) > 0);
    }

    private static boolean isInputGradientInPlace(Tensors tensors) {
        Batch dx = tensors.dx();
        return tensors.x().overlap(dx) > 0 || tensors.dy().overlap(dx) > 0;
    }

    private static boolean isBackwardInPlace(Tensors tensors) {
        return isInputGradientInPlace(tensors)
                || isResidualGradientInPlace(tensors)
                || (tensors.dresidual() != null && tensors.y().overlap(tensors.dx()) > 0);
    }
}
