package org.batchnorm.cpu.operation;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Wide;
import org.batchnorm.cpu.kernel.scalar.TransformCoefficients;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;

/**
 * The stage {@code transform}: x is mapped to y with statistics that the caller gives. Inference is this with the
 * running statistics.
 */
public final class Transform extends Operation {
    /** An operation for many batches. */
    public Transform() {
        super(false, true);
    }

    /** Takes a batch. */
    public Transform of(Kernels kernels, Tensors tensors, Normalization normalization, Cut cut) {
        begin(kernels, normalization, cut);
        mapped.setForward(tensors.x(), tensors.residual(), tensors.y());
        activate(tensors.activations());
        return this;
    }

    @Override
    public void prepareMap(Cut cut, PerFeature f, Coefficients into) {
        coefficients(f, into, cut.features);
    }

    static void coefficients(PerFeature f, Coefficients into, int features) {
        if (f.throughStatistics) {
            TransformCoefficients.ofBatch(f, into, 0, features);
        } else {
            TransformCoefficients.ofGiven(f, into, 0, features);
        }
        Wide.mark(f, into, false, 0, features);
    }
}
