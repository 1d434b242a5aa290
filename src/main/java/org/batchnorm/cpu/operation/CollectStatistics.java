package org.batchnorm.cpu.operation;

import java.util.Objects;
import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.cpu.kernel.Suspects;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Tensors;
import org.jspecify.annotations.Nullable;

/** The stage {@code collectStatistics}: x is reduced, and its sums become the count, the mean and m2. */
public final class CollectStatistics extends StatisticsOperation {
    private @Nullable Moments moments;

    /** An operation for many batches. */
    public CollectStatistics() {
        super(false);
    }

    /** Takes a batch. */
    public CollectStatistics of(Kernels kernels, Tensors tensors, Moments into, Cut cut) {
        begin(kernels, cut);
        reduced.set(tensors.x(), null, null);
        activate(tensors.activations());
        moments = into;
        into.count(features.count);
        return this;
    }

    @Override
    public boolean merge(Cut cut, Sums sums, PerFeature f, Coefficients into, int from, int to) {
        Moments all = Objects.requireNonNull(moments);
        boolean reliable = true;
        for (int i = from; i < to; i++) {
            double delta = sums.sum[i] / f.count;
            all.mean()[i] = into.shift[i] + delta;
            all.m2()[i] = sums.product[i] - delta * sums.sum[i];
            reliable = reliable && !isSuspect(sums, f, i);
        }
        return reliable;
    }

    @Override
    public void mergeAgain(Cut cut, Sums sums, PerFeature f, Coefficients into, Suspects suspects, int from, int to) {
        merge(cut, sums, f, into, from, to);
        for (int i = from; i < to; i++) {
            notes(suspects, cut, sums, f, into, i);
        }
    }

    @Override
    void set(PerFeature f, Coefficients into, int feature, double mean, double variance) {
        Moments all = Objects.requireNonNull(moments);
        all.mean()[feature] = mean;
        all.m2()[feature] = variance * f.count;
    }

    @Override
    public void end() {
        super.end();
        moments = null;
    }
}
