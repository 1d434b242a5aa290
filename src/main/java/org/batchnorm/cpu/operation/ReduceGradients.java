package org.batchnorm.cpu.operation;

import java.util.Arrays;
import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.DoubleSums;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.Memory;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Shift;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.cpu.kernel.Suspects;
import org.batchnorm.cpu.kernel.Wide;
import org.batchnorm.cpu.kernel.scalar.InDouble;
import org.batchnorm.cpu.kernel.scalar.ScalarMergeGradients;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;

/** The stage {@code reduceGradients}: x and dy are reduced, and their sums become the gradients of γ and β. */
public sealed class ReduceGradients extends Operation permits Backward {
    /** Of what the mean of dy was off: its deviation is hardly less. */
    private static final double LEAST_DEVIATION = 0x1p-6;

    /** An operation for many batches. */
    public ReduceGradients() {
        this(false);
    }

    ReduceGradients(boolean maps) {
        super(true, maps);
    }

    /** Takes a batch. */
    public ReduceGradients of(
            Kernels kernels, Tensors tensors, Normalization normalization, GradientSums into, Cut cut) {
        beginGradient(kernels, tensors, normalization, cut);
        reduced.set(tensors.x(), gradient(tensors), null);
        features.gradients = into;
        activateGradient(tensors, cut);
        differentiateResidual(tensors, cut);
        into.count(features.count);
        return this;
    }

    /**
     * Whether it is known what the distances from the mean add up to: 0 where the mean is that of the very values that
     * are reduced. The values of a stage may be a part of those that the mean was taken of, which are more; then the
     * mean of the part tells. Only where it is known may dy have a shift, as that adds so much to dgamma.
     */
    boolean knowsOwnMean() {
        return features.throughStatistics
                && (features.statistics.count() == features.count || features.statistics.part() != null);
    }

    @Override
    public final void prepareShift(Cut cut, Rows scratch, Coefficients into, int from, int to) {
        float[] mean = features.statistics.mean();
        if (knowsOwnMean()) {
            for (int i = from; i < to; i++) {
                into.shift[i] =
                        Shift.near(mean[i], Math.sqrt(features.statistics.variance()[i]));
            }
            Samples.take(cut, sampled(), kernels(), scratch, into, from, to);
            Shift.keepSignificant(into, from, to);
        } else {
            System.arraycopy(mean, from, into.shift, from, to - from);
            Arrays.fill(into.dyShift, from, to, 0);
            // That of an earlier batch may be infinite or NaN, by which dy would be taken for wrongly shifted.
            Arrays.fill(into.spread, from, to, 0);
        }
    }

    @Override
    public final boolean merge(Cut cut, Sums sums, PerFeature f, Coefficients into, int from, int to) {
        boolean finite = kernels().mergeGradients(CutPolicy.isRare(cut.shape)).merge(sums, f, into, from, to);
        return finite
                && f.count > Wide.TWO_VALUES
                && !reduced.hasWideForward()
                && Shift.areRight(into, sums.sum, (double) f.count, from, to);
    }

    /** Where the samples of dy were unusual ones, its mean, which is known by now, is a better shift. */
    @Override
    public final boolean movesShift(Sums sums, Coefficients c, int from, int to) {
        boolean moved = false;
        for (int i = from; i < to; i++) {
            double wrong = sums.sum[i] / features.count;
            if (Double.isFinite(wrong) && !Shift.areRight(c, sums.sum, (double) features.count, i, i + 1)) {
                c.dyShift[i] = Shift.near(c.dyShift[i] + wrong, Math.abs(wrong) * LEAST_DEVIATION);
                moved = true;
            }
        }
        return moved;
    }

    @Override
    public final void mergeAgain(
            Cut cut, Sums sums, PerFeature f, Coefficients into, Suspects suspects, int from, int to) {
        kernels().mergeGradients(true).merge(sums, f, into, from, to);
        for (int i = from; i < to; i++) {
            if (isSuspect(f, i)) {
                suspects.add(i, InDouble.mean(f, i));
            } else {
                markWide(f, into, i, i + 1);
            }
        }
    }

    /** Of two values, whose gradients are differences, all are taken in double precision: that costs nothing. */
    private boolean isSuspect(PerFeature f, int feature) {
        return f.count <= Wide.TWO_VALUES
                || reduced.isForwardWide(feature)
                || !Float.isFinite((float) f.gradients.dbeta()[feature])
                || !Float.isFinite((float) f.gradients.dgamma()[feature]);
    }

    @Override
    public final void mergeInDouble(PerFeature f, Coefficients into, Suspects suspects, int from, int to) {
        DoubleSums sums = suspects.total();
        boolean ofOutput = !f.statistics.equals(f.ofForward);
        boolean aboutOwnMean = ofOutput && f.throughStatistics && f.statistics.count() == f.count;
        for (int i = from; i < to; i++) {
            if (suspects.isSuspect(i)) {
                double sum = sums.gradient[i];
                double product = sums.product[i];
                if (aboutOwnMean) {
                    // About the mean of these very values distances would add up to 0, had y not been rounded.
                    product -= sum * (sums.distance[i] / f.count);
                }
                f.gradients.dbeta()[i] = sum;
                f.gradients.dgamma()[i] = product * InDouble.rstd(f, i);
                ScalarMergeGradients.coefficients(f, into, i, i + 1);
                markWide(f, into, i, i + 1);
                suspects.settle(i);
            }
        }
    }

    @Override
    public final boolean mergeReadsWhatMapOverwrites() {
        return Memory.mayOverlap(reduced.x, mapped.out) || Memory.mayOverlap(reduced.second, mapped.out);
    }

    @Override
    public final boolean isGradient() {
        return true;
    }
}
