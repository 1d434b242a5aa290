package org.batchnorm.cpu.operation;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.scalar.ScalarMergeGradients;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;

/**
 * The stage {@code inputGradient}: x and dy are mapped to dx with sums that the caller gives. Their count, not the
 * batch's, is the m of the formula.
 */
public final class InputGradient extends Operation {
    /** An operation for many batches. */
    public InputGradient() {
        super(false, true);
    }

    /** Takes a batch. */
    public InputGradient of(Kernels kernels, Tensors tensors, Normalization normalization, GradientSums sums, Cut cut) {
        beginGradient(kernels, tensors, normalization, cut);
        features.count = sums.count();
        features.gradients = sums;
        mapGradient(tensors, normalization);
        activateGradient(tensors, cut);
        return this;
    }

    @Override
    public boolean isGradient() {
        return true;
    }

    @Override
    public void prepareMap(Cut cut, PerFeature f, Coefficients into) {
        ScalarMergeGradients.coefficients(f, into, 0, cut.features);
        markWide(f, into, 0, cut.features);
    }
}
