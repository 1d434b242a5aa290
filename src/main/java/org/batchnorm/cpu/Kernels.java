package org.batchnorm.cpu;

/** The four kernels of a backend for one kind of memory. */
record Kernels(
        CollectStatistics collectStatistics,
        Transform transform,
        ReduceGradients reduceGradients,
        InputGradient inputGradient)
        implements KernelSource {

    /** These, always. */
    @Override
    public Kernels kernels(boolean byRows, boolean backward) {
        return this;
    }

    /** The same but for one. */
    Kernels with(CollectStatistics other) {
        return new Kernels(other, transform, reduceGradients, inputGradient);
    }

    /** The same but for one. */
    Kernels with(Transform other) {
        return new Kernels(collectStatistics, other, reduceGradients, inputGradient);
    }

    /** The same but for one. */
    Kernels with(ReduceGradients other) {
        return new Kernels(collectStatistics, transform, other, inputGradient);
    }

    /** The same but for one. */
    Kernels with(InputGradient other) {
        return new Kernels(collectStatistics, transform, reduceGradients, other);
    }
}
