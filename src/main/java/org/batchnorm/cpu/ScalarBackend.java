package org.batchnorm.cpu;

import org.batchnorm.spi.Availability;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.BatchNormBackend;
import org.batchnorm.spi.BatchNormOperations;

/** The backend {@code scalar}: plain loops, usable everywhere. */
public final class ScalarBackend implements BatchNormBackend {
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
        Kernels kernels = new Kernels(
                new ScalarCollectStatistics(),
                new ScalarMergeStatistics(),
                new ScalarTransform(),
                new ScalarReduceGradients(),
                new ScalarMergeGradients(),
                new ScalarInputGradient());
        return new CpuOperations(kernels, options.threads());
    }
}
