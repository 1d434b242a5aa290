package org.batchnorm.cpu.operation;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;

/**
 * The backward: like {@code reduceGradients}, and then x and dy are mapped to dx with the gradients of γ and β; through
 * given statistics (frozen ones), dy alone.
 */
public final class Backward extends ReduceGradients {
    /** An operation for many batches. */
    public Backward() {
        super(true);
    }

    @Override
    public Backward of(Kernels kernels, Tensors tensors, Normalization normalization, GradientSums into, Cut cut) {
        super.of(kernels, tensors, normalization, into, cut);
        mapGradient(tensors, normalization);
        return this;
    }

    @Override
    boolean isAboutBatchMean() {
        return features.throughStatistics;
    }
}
