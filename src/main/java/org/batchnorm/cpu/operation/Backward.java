package org.batchnorm.cpu.operation;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;

/**
 * The backward: x and dy are reduced to the gradients of γ and β, then x and dy are mapped to dx with them. Where the
 * statistics were given (frozen), dx does not depend on x, and dy alone is mapped.
 */
public final class Backward extends ReduceGradients {
    /** An operation for many batches. */
    public Backward() {
        super(true);
    }

    @Override
    public Backward of(Kernels kernels, Tensors tensors, Normalization normalization, GradientSums into, Cut cut) {
        mapGradient(tensors, normalization);
        super.of(kernels, tensors, normalization, into, cut);
        return this;
    }

    @Override
    boolean knowsOwnMean() {
        return features.throughStatistics;
    }
}
