package org.batchnorm.bench.jmh.device;

import java.util.Map;
import java.util.Optional;
import java.util.ServiceLoader;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;
import org.batchnorm.spi.BackendUnavailableException;

/** Times batch norm's task-graph pieces on one device. */
public interface DeviceTimer {

    /**
     * Opens a device.
     *
     * @param device its id, as {@code batchnorm devices} lists it; empty for the default
     * @throws BackendUnavailableException if TornadoVM is not here or the device cannot be used, with the remedy
     */
    static DeviceTimer open(Optional<String> device) {
        return ServiceLoader.load(Provider.class)
                .findFirst()
                .orElseThrow(() -> new BackendUnavailableException(
                        "measuring on a device needs TornadoVM, which is not here; set TORNADOVM_HOME to a TornadoVM"
                                + " SDK for JDK 25"))
                .open(device);
    }

    /** What the driver tells about the device. */
    Facts facts();

    /**
     * Times an operation on a shape. The result is checked against double precision before anything is timed.
     *
     * @param operation one of batch normalization's, or {@link Operation#COPY}: a kernel that copies x to y
     * @param way how the data come to the device and how the graph is started
     * @param kernels which of the kernels that can do it
     * @throws IllegalStateException if it fails or computes something wrong
     */
    Timing time(Operation operation, BenchShape shape, Way way, Kernels kernels, Samples.Plan plan);

    /** How the data come to the device and how the graph is started. */
    enum Way {
        /** Everything stays on the device. */
        RESIDENT,
        /** x (and dy) are sent with every execution, y (or dx) is read back. */
        TRANSFERRED,
        /** As resident, recorded once as a CUDA graph and replayed; only where {@link Facts#replays()}. */
        REPLAYED
    }

    /** Which kernels do an operation. */
    enum Kernels {
        /** Those that the task-graph pieces choose. */
        CHOSEN,
        /** The two-stage ones, also where the pieces would choose the one that keeps whole features on chip. */
        TWO_STAGE
    }

    /** The versions of the kernels, in the order of {@code kernels/README.md}. */
    enum Version {
        /** Two stages, neighbouring work-items on neighbouring features. */
        ROWS("rows"),
        /** Two stages, for data that lie channels-first. */
        PLANES("planes"),
        /** One kernel that keeps whole features in local memory. */
        ON_CHIP("on-chip");

        private final String label;

        Version(String label) {
            this.label = label;
        }

        /** The name in tables and in the results' variant. */
        public String label() {
            return label;
        }
    }

    /**
     * A device.
     *
     * @param id driver and device, {@code 0:0}
     * @param name the driver's name for it
     * @param backend TornadoVM's backend: OPENCL, PTX or CUDA
     * @param driver the driver's version
     * @param cpu whether it is a processor in disguise
     * @param replays whether the backend records CUDA graphs
     * @param memoryBytes of the device
     * @param computeUnits multiprocessors of a GPU, cores of a CPU
     * @param maxWorkGroup work-items of the largest work-group
     * @param localMemoryBytes of a work-group
     */
    record Facts(
            String id,
            String name,
            String backend,
            String driver,
            boolean cpu,
            boolean replays,
            long memoryBytes,
            int computeUnits,
            long maxWorkGroup,
            long localMemoryBytes) {}

    /**
     * Times of one operation.
     *
     * @param version of the kernels that did it; empty for a copy
     * @param firstMillis the first execution: compilation, sending the data, everything
     * @param wall of {@code execute()}, without profiler
     * @param kernel the device's own clock on all kernels of an execution; empty where the way has no profiler
     * @param kernelMillis the median of each kernel, in the order of execution; empty as above
     */
    record Timing(
            Optional<Version> version,
            double firstMillis,
            Samples wall,
            Optional<Samples> kernel,
            Map<String, Double> kernelMillis) {}

    /** What opens a device: the service. */
    interface Provider {
        /** As {@link DeviceTimer#open}. */
        DeviceTimer open(Optional<String> device);
    }
}
