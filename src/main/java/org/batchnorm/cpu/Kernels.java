package org.batchnorm.cpu;

/** The six kernels of a backend. */
record Kernels(
        CollectStatistics collectStatistics,
        MergeStatistics mergeStatistics,
        Transform transform,
        ReduceGradients reduceGradients,
        MergeGradients mergeGradients,
        InputGradient inputGradient) {}
