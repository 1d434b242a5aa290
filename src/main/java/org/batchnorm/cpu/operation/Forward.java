package org.batchnorm.cpu.operation;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.Memory;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;

/** The training forward: x is reduced, its sums become the statistics, x is mapped to y with them. */
public final class Forward extends Operation {
    /** An operation for many batches. */
    public Forward() {
        super(true, true);
    }

    /** Takes a batch. */
    public Forward of(Kernels kernels, Tensors tensors, Normalization normalization, Cut cut) {
        begin(kernels, normalization, cut);
        reduced.set(tensors.x(), null, null);
        mapped.set(tensors.x(), null, tensors.y());
        return this;
    }

    @Override
    public void prepareShift(Cut cut, Rows scratch, Coefficients into, int from, int to) {
        Samples.take(cut, reduced, kernels(), scratch, into, from, to);
    }

    @Override
    public void merge(Cut cut, Sums sums, PerFeature f, Coefficients into, int from, int to) {
        kernels().mergeStatistics(CutPolicy.isRare(cut.shape)).merge(cut, reduced, sums, f, into, from, to);
    }

    @Override
    public boolean mergeReadsWhatMapOverwrites() {
        return Memory.mayOverlap(mapped.x, mapped.out);
    }
}
