package org.batchnorm.cpu.operation;

import java.util.Objects;
import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.cpu.kernel.scalar.ScalarMergeStatistics;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Tensors;
import org.jspecify.annotations.Nullable;

/** The stage {@code collectStatistics}: x is reduced, its sums become moments. */
public final class CollectStatistics extends Operation {
    private @Nullable Moments moments;

    /** An operation for many batches. */
    public CollectStatistics() {
        super(true, false);
    }

    /** Takes a batch. */
    public CollectStatistics of(Kernels kernels, Tensors tensors, Moments into, Cut cut) {
        begin(kernels, cut);
        reduced.set(tensors.x(), null, null);
        moments = into;
        into.count(features.count);
        return this;
    }

    @Override
    public void prepareShift(Cut cut, Rows scratch, Coefficients into, int from, int to) {
        Samples.take(cut, reduced, kernels(), scratch, into, from, to);
    }

    @Override
    public void merge(Cut cut, Sums sums, PerFeature f, Coefficients into, int from, int to) {
        ScalarMergeStatistics.moments(cut, reduced, sums, into, Objects.requireNonNull(moments), from, to);
    }

    @Override
    public void end() {
        super.end();
        moments = null;
    }
}
