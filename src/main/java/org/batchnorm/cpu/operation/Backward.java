package org.batchnorm.cpu.operation;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;

/**
 * The backward: x and dy are reduced, their sums become the gradients of γ and β, and x and dy are mapped to dx with
 * them; through given statistics, dy alone. Without dx it is the stage {@code reduceGradients}.
 */
public final class Backward extends Operation {
    private boolean maps;

    /** An operation for many batches. */
    public Backward() {}

    /** Takes a batch, for the gradients of the parameters and of the input. */
    public Backward of(Kernels kernels, Tensors tensors, Normalization normalization, GradientSums into, Cut cut) {
        parametersOnly(kernels, tensors, normalization, into, cut);
        maps = true;
        if (normalization.throughStatistics()) {
            mapped.set(tensors.x(), tensors.dy(), tensors.dx());
        } else {
            mapped.set(tensors.dy(), null, tensors.dx());
        }
        return this;
    }

    /** Takes a batch, for the gradients of the parameters. */
    public Backward parametersOnly(
            Kernels kernels, Tensors tensors, Normalization normalization, GradientSums into, Cut cut) {
        begin(kernels, normalization, cut);
        reduced.set(tensors.x(), tensors.dy(), null);
        features.gradients = into;
        into.count(features.count);
        maps = false;
        return this;
    }

    @Override
    public boolean reduces() {
        return true;
    }

    @Override
    public boolean maps() {
        return maps;
    }

    @Override
    public void prepareShift(Cut cut, Rows scratch, Coefficients into, int from, int to) {
        System.arraycopy(features.statistics.mean(), from, into.shift, from, to - from);
    }

    @Override
    public void merge(Cut cut, Sums sums, PerFeature f, Coefficients into, int from, int to) {
        kernels().mergeGradients(CutPolicy.isRare(cut.shape)).merge(sums, f, into, from, to);
    }

    @Override
    public boolean readsStatistics() {
        return true;
    }
}
