package org.batchnorm.cpu;

/** The four kernels of a backend. */
record Kernels(
        CollectStatistics collectStatistics,
        Transform transform,
        ReduceGradients reduceGradients,
        InputGradient inputGradient) {}
