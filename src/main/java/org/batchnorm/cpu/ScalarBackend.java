package org.batchnorm.cpu;

import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.scalar.ScalarKernels;
import org.batchnorm.spi.Availability;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.BatchNormBackend;
import org.batchnorm.spi.BatchNormOperations;

/** The backend {@code scalar}: plain loops, usable everywhere. */
public final class ScalarBackend implements BatchNormBackend {
    private static final Kernels KERNELS = new ScalarKernels();

    /** Found by {@link java.util.ServiceLoader}. */
    public ScalarBackend() {}

    @Override
    public String name() {
        return "scalar";
    }

    @Override
    public int priority() {
        return 100;
    }

    @Override
    public Availability availability() {
        return Availability.usable("plain loops");
    }

    @Override
    public BatchNormOperations open(BackendOptions options) {
        options.requireNoDevice(name());
        return new ByElementType(new CpuOperations(KERNELS, options.threads()), options.threads());
    }
}
