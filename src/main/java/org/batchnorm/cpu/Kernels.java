package org.batchnorm.cpu;

/** The four kernels of a backend for one kind of memory. */
record Kernels(
        CollectStatistics collectStatistics,
        Transform transform,
        ReduceGradients reduceGradients,
        InputGradient inputGradient) {}
