package org.batchnorm.cpu.operation;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.DoubleSums;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Shift;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.cpu.kernel.Suspect;
import org.batchnorm.cpu.kernel.Suspects;

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

    /**
     * Beyond this ratio of (mean − centre)² to the variance, sums in double precision about the centre are made once
     * more, about the mean: so they keep half of their digits, which is more than float32 has.
     */
    private static final double FAR = 0x1p24;

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

    @Override
    public final void mergeInDouble(PerFeature f, Coefficients into, Suspects suspects, int from, int to) {
        DoubleSums sums = suspects.total();
        for (int i = from; i < to; i++) {
            if (suspects.isSuspect(i)) {
                double delta = sums.distance[i] / f.count;
                double variance = Math.max(sums.product[i] / f.count - delta * delta, 0);
                double mean = suspects.centre(i) + delta;
                set(f, into, i, mean, variance);
                if (delta * delta > variance * FAR) {
                    suspects.add(i, mean);
                } else {
                    suspects.settle(i);
                }
            }
        }
    }

    /** Sets the results of a feature, and its coefficients. */
    abstract void set(PerFeature f, Coefficients into, int feature, double mean, double variance);

    /** Notes that a feature is suspect, if it is. */
    final boolean notes(Suspects suspects, Cut cut, Sums sums, PerFeature f, Coefficients c, int feature) {
        boolean suspect = isSuspect(sums, f, feature);
        if (suspect) {
            double near = c.shift[feature] + sums.sum[feature] / f.count;
            suspects.add(feature, Double.isFinite(near) ? near : firstValue(cut, feature));
        }
        return suspect;
    }

    /** A value of a feature, to be subtracted from the others; 0 where it is not finite. */
    private double firstValue(Cut cut, int feature) {
        float first = reduced.value(cut.shape.featuresContiguous() ? feature : feature * cut.shape.spatial());
        return Float.isFinite(first) ? first : 0;
    }

    /** Whether the sums of a feature may have lost too many digits, see {@link Suspect}. */
    final boolean isSuspect(Sums sums, PerFeature f, int feature) {
        double delta = sums.sum[feature] / f.count;
        double meanSquare = sums.product[feature] / f.count;
        boolean constant = meanSquare == 0 && delta == 0;
        return Suspect.isOutOfRange(delta, meanSquare) || (!constant && Suspect.isFar(delta, meanSquare, f.far));
    }
}
