package org.batchnorm.cpu.operation;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.Memory;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.cpu.kernel.Suspects;
import org.batchnorm.cpu.kernel.Wide;
import org.batchnorm.cpu.kernel.scalar.TransformCoefficients;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;

/** The training forward: x is reduced, its sums become the statistics, x is mapped to y with them. */
public final class Forward extends StatisticsOperation {
    /** An operation for many batches. */
    public Forward() {
        super(true);
    }

    /** Takes a batch. */
    public Forward of(Kernels kernels, Tensors tensors, Normalization normalization, Cut cut) {
        begin(kernels, normalization, cut);
        reduced.set(tensors.x(), null, null);
        mapped.setForward(tensors.x(), tensors.residual(), tensors.y());
        activate(tensors.activations());
        return this;
    }

    @Override
    public boolean merge(Cut cut, Sums sums, PerFeature f, Coefficients into, int from, int to) {
        return kernels().mergeStatistics(CutPolicy.isRare(cut.shape)).merge(sums, f, into, from, to);
    }

    @Override
    public void mergeAgain(Cut cut, Sums sums, PerFeature f, Coefficients into, Suspects suspects, int from, int to) {
        kernels().mergeStatistics(true).merge(sums, f, into, from, to);
        for (int i = from; i < to; i++) {
            if (!notes(suspects, cut, sums, f, into, i)) {
                Wide.mark(f, into, false, i, i + 1);
            }
        }
    }

    @Override
    void set(PerFeature f, Coefficients into, int feature, double mean, double variance) {
        float high = (float) mean;
        float low = (float) (mean - high);
        f.statistics.mean()[feature] = high;
        f.statistics.meanLow()[feature] = Float.isFinite(low) ? low : 0;
        f.statistics.variance()[feature] = (float) variance;
        f.statistics.rstd()[feature] = (float) (1 / Math.sqrt(variance + f.eps));
        TransformCoefficients.ofBatch(f, into, feature, feature + 1);
        Wide.mark(f, into, false, feature, feature + 1);
    }

    @Override
    public boolean mergeReadsWhatMapOverwrites() {
        return Memory.mayOverlap(mapped.x, mapped.out);
    }
}
