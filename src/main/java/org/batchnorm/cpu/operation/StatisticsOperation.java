package org.batchnorm.cpu.operation;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Shift;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.cpu.kernel.Suspect;

/**
 * An operation that reduces x to statistics, about a shift that is sampled, checked against the sums, and moved where
 * it was an outlier.
 */
abstract class OfStatistics extends Operation {
    /** Of delta: less than this, a deviation is not to be had from sums about a far shift. */
    private static final double LEAST_DEVIATION = 0x1p-10;

    OfStatistics(boolean maps) {
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

    /** Whether what the sums of a feature become is not to be relied on. */
    final boolean isSuspect(Sums sums, PerFeature f, int feature) {
        double delta = sums.sum[feature] / f.count;
        double meanSquare = sums.product[feature] / f.count;
        boolean constant = meanSquare == 0 && delta == 0;
        return Suspect.isOutOfRange(delta, meanSquare) || (!constant && Suspect.isFar(delta, meanSquare, f.far));
    }
}
