package org.batchnorm.cpu;

import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.vector.VectorBits;
import org.batchnorm.cpu.kernel.vector.VectorKernels;
import org.batchnorm.spi.Availability;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.BackendUnavailableException;
import org.batchnorm.spi.BatchNormBackend;
import org.batchnorm.spi.BatchNormOperations;

/** The backend {@code vector}: the JDK's Vector API. This class itself loads without that module. */
public final class VectorBackend implements BatchNormBackend {
    private static final String MODULE = "jdk.incubator.vector";
    private static final int LEAST_LANES = 4;

    /** Found by {@link java.util.ServiceLoader}. */
    public VectorBackend() {}

    @Override
    public String name() {
        return "vector";
    }

    @Override
    public int priority() {
        return 200;
    }

    @Override
    public Availability availability() {
        if (ModuleLayer.boot().findModule(MODULE).isEmpty()) {
            return Availability.unusable(
                    "the module " + MODULE + " is not there", "start Java with --add-modules " + MODULE);
        }
        int lanes = VectorKernels.lanes();
        if (lanes < LEAST_LANES) {
            return Availability.unusable(
                    "this processor's vectors hold " + lanes + " float, " + LEAST_LANES + " are the least that is fast",
                    "use the backend scalar");
        }
        int bits = lanes * Float.SIZE;
        String problem = VectorBits.problem(bits);
        if (!problem.isEmpty()) {
            return Availability.unusable(problem, "leave it out, or give 128, 256 or 512, as the processor has");
        }
        return Availability.usable("vectors of " + VectorBits.forced().orElse(bits) + " bits");
    }

    /** Interpreted, or compiled without the compiler that knows vectors, it is 50 to 100 times slower than scalar. */
    @Override
    public Availability automatic() {
        Availability availability = availability();
        if (!availability.usable()) {
            return availability;
        }
        return OptimizingCompiler.whyUnused()
                .map(reason -> Availability.unusable(
                        reason + ", and without its optimizing compiler vectors are slow",
                        "start Java without that, or choose " + name() + " by name to use it all the same"))
                .orElse(availability);
    }

    @Override
    public BatchNormOperations open(BackendOptions options) {
        options.requireNoDevice(name());
        Availability availability = availability();
        if (!availability.usable()) {
            throw new BackendUnavailableException("backend " + name() + " cannot be used: " + availability);
        }
        return new ByElementType(new CpuOperations(Loaded.KERNELS, options.threads()), options.threads());
    }

    /** Made when the backend is first opened: loading it needs the module. */
    private static final class Loaded {
        private static final Kernels KERNELS = new VectorKernels();
    }
}
