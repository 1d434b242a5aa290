package org.batchnorm.cpu.operation;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Shift;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.cpu.kernel.Suspect;

/**
 * An operation that reduces x to its mean and variance. The sums are taken about a shift, which is made of a few
 * sampled values. Where the sums show that it was far from the mean, it is moved there.
 */
abstract class StatisticsOperation extends Operation {
    /**
     * The least deviation that is believed, as a part of delta, the distance from the shift to the mean: sums about a
     * shift that far away tell of no smaller one.
     */
    private static final double LEAST_DEVIATION = 0x1p-10;

    StatisticsOperation(boolean maps) {
        super(true, maps);
    }

    @Override
    public final void prepareShift(Cut cut, Rows scratch, Coefficients into, int from, int to) {
        Samples.take(cut, reduced, kernels(), scratch, into, from, to);
    }

    @Override
    public final boolean movesShift(Sums sums, Coefficients c, int from, int to) {
        double perValue = 1.0 / features.count;
        boolean moved = false;
        for (int i = from; i < to; i++) {
            double delta = sums.sum[i] * perValue;
            double meanSquare = sums.product[i] * perValue;
            if (!Suspect.isOutOfRange(delta, meanSquare) && Suspect.isFar(delta, meanSquare, features.far)) {
                double deviation = Math.sqrt(Math.max(meanSquare - delta * delta, 0));
                c.shift[i] = Shift.near(c.shift[i] + delta, Math.max(deviation, Math.abs(delta) * LEAST_DEVIATION));
                moved = true;
            }
        }
        return moved;
    }

    /** Whether the sums of a feature may have lost too many digits, see {@link Suspect}. */
    final boolean isSuspect(Sums sums, PerFeature f, int feature) {
        double delta = sums.sum[feature] / f.count;
        double meanSquare = sums.product[feature] / f.count;
        boolean constant = meanSquare == 0 && delta == 0;
        return Suspect.isOutOfRange(delta, meanSquare) || (!constant && Suspect.isFar(delta, meanSquare, f.far));
    }
}
