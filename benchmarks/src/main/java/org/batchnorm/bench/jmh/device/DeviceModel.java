package org.batchnorm.bench.jmh.device;

import java.util.Optional;
import java.util.ServiceLoader;
import org.batchnorm.bench.jmh.device.DeviceTimer.Version;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;

/**
 * What the kernels of an operation must take on a GPU, reckoned from their code and the GPU's data and not measured. A
 * service, because it needs the kernels and these benchmarks do not.
 */
public interface DeviceModel {

    /** The service's provider; empty in a build without TornadoVM. */
    static Optional<DeviceModel> find() {
        return ServiceLoader.load(DeviceModel.class).findFirst();
    }

    /** Whether the model has data of a device of this name, as its driver gives it. */
    boolean knows(String device);

    /**
     * The time of all kernels of an operation.
     *
     * @param device a name that it {@link #knows}
     * @param operation one of batch normalization's
     * @param version of the kernels
     * @throws IllegalArgumentException if the model does not know the device
     */
    double millis(String device, Operation operation, BenchShape shape, Version version);

    /** A table of the GPUs that the model knows and the shapes that stand for others, in Markdown; and what is slow. */
    String report();
}
