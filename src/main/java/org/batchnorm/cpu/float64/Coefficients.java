package org.batchnorm.cpu.float64;

import java.util.Arrays;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Normalization;
import org.jspecify.annotations.Nullable;

/** What the loops need to know of each feature, or, in a thread's own, of each lane. */
final class Coefficients {
    /** The unit of features whose squares float64 would not hold. */
    static final double LARGE_UNIT = 0x1p-600;

    /** Distances whose squares float64 holds, by far, have an rstd of at least this. */
    private static final double LEAST_RSTD = 0x1p-480;

    /** From any value to a mean of less than this the distance is within float64. */
    private static final double LARGE_MEAN = 0x1p969;

    /** The unit of distances from other means; 1 / rstd may be small, which a larger one would not allow. */
    private static final double HALF_UNIT = 0.5;

    private static final double TWO_VALUES = 2;

    /** The factor with which x is taken, a power of two: 1, {@link #LARGE_UNIT} or {@link #HALF_UNIT}. */
    double[] unit = {};

    /** The mean in those units. */
    double[] mean = {};

    /** What rounding took from that. */
    double[] meanLow = {};

    /** 1 / sqrt(variance + eps), of distances in those units. */
    double[] rstd = {};

    /** What {@link #meanLow} takes from the product of distance and rstd. */
    double[] xHatOffset = {};

    /** The factor of the distance in {@code transform}. */
    double[] scale = {};

    /** β, less what {@link #meanLow} takes from the product of distance and scale. */
    double[] offset = {};

    /** The mean of dy. */
    double[] dyMean = {};

    /** The factor of the distance in {@code inputGradient}. */
    double[] slope = {};

    /**
     * What rounding took from the mean of dy, less what {@link #meanLow} takes from the product of distance and slope.
     */
    double[] dyOffset = {};

    /** The factor of everything in {@code inputGradient}. */
    double[] gradientScale = {};

    /** Makes room; the contents are lost. */
    void reserve(int count) {
        if (unit.length < count) {
            unit = new double[count];
            mean = new double[count];
            meanLow = new double[count];
            rstd = new double[count];
            xHatOffset = new double[count];
            scale = new double[count];
            offset = new double[count];
            dyMean = new double[count];
            slope = new double[count];
            dyOffset = new double[count];
            gradientScale = new double[count];
        }
    }

    /** Before statistics: what is known is the unit. */
    void setUnit(double ofAll, int from, int to) {
        Arrays.fill(unit, from, to, ofAll);
    }

    /** Those of {@code transform}. */
    void setTransform(Normalization n, int from, int to) {
        BatchStatistics statistics = n.statistics();
        boolean hasRstd = n.throughStatistics();
        for (int c = from; c < to; c++) {
            set(n, c, hasRstd ? statistics.rstd(c) : 1 / Math.sqrt(statistics.variance(c) + n.eps()));
        }
    }

    /** The same of a backward: given statistics have an rstd by then. */
    void setBackward(Normalization n, boolean fromOutput, int from, int to) {
        for (int c = from; c < to; c++) {
            set(n, c, n.statistics().rstd(c));
            if (fromOutput) {
                setFromOutput(n.doubleGamma(), c);
            }
            xHatOffset[c] = less(0, meanLow[c] * rstd[c]);
        }
    }

    /**
     * With y in the place of x: {@code z = γ · x̂ + β} has the distance {@code z − β}, and {@code x̂} that by γ. Its
     * mean is what the forward's rounded offset made of β.
     */
    private void setFromOutput(double @Nullable [] gamma, int c) {
        unit[c] = 1;
        mean[c] = offset[c];
        meanLow[c] = -less(0, meanLow[c] * scale[c]);
        rstd[c] = gamma == null ? 1 : 1 / gamma[c];
    }

    private void set(Normalization n, int c, double rstdOfFeature) {
        double @Nullable [] gamma = n.doubleGamma();
        double @Nullable [] beta = n.doubleBeta();
        double ofMean = Math.abs(n.statistics().doubleMean()[c]) < LARGE_MEAN ? 1 : HALF_UNIT;
        unit[c] = rstdOfFeature < LEAST_RSTD ? LARGE_UNIT : ofMean;
        mean[c] = n.statistics().doubleMean()[c] * unit[c];
        meanLow[c] = n.statistics().doubleMeanLow()[c] * unit[c];
        rstd[c] = rstdOfFeature / unit[c];
        scale[c] = (gamma == null ? 1 : gamma[c]) * rstd[c];
        offset[c] = less(beta == null ? 0 : beta[c], meanLow[c] * scale[c]);
    }

    /** The difference; a subtrahend that is not finite belongs to an infinite factor, which says all by itself. */
    private static double less(double value, double by) {
        return Double.isFinite(by) ? value - by : value;
    }

    /** The mean of dy, or 0 where it is not finite or not wanted. It need not be exact, as x̂ add up to 0. */
    void setCentre(GradientSums sums, boolean wanted, int from, int to) {
        for (int c = from; c < to; c++) {
            double centre = sums.dbeta()[c] / sums.count();
            dyMean[c] = wanted && Double.isFinite(centre) ? centre : 0;
        }
    }

    /**
     * Those of {@code inputGradient}: with m the count of the sums,
     *
     * <pre>{@code dx = γ · rstd · (dy − dβ / m − x̂ · dγ / m)}</pre>
     *
     * through statistics; of two values, where that cancels, {@code dx = γ · rstd · (eps · rstd²) · (dy − dβ / 2)}.
     */
    void setInputGradient(Normalization n, GradientSums sums, Pair pair, int from, int to) {
        double m = sums.count();
        double @Nullable [] gamma = n.doubleGamma();
        double[] rstdOfFeature = n.statistics().doubleRstd();
        for (int c = from; c < to; c++) {
            gradientScale[c] = (gamma == null ? 1 : gamma[c]) * rstdOfFeature[c];
            if (!n.throughStatistics()) {
                continue;
            }
            slope[c] = rstd[c] * (sums.dgamma()[c] / m);
            if (m == TWO_VALUES) {
                slope[c] = 0;
                gradientScale[c] *= n.eps() * rstdOfFeature[c] * rstdOfFeature[c];
            }
            pair.set(sums.dbeta()[c], sums.dbetaLow()[c]).divide(m);
            dyMean[c] = pair.high;
            dyOffset[c] = less(pair.low, meanLow[c] * slope[c]);
        }
    }
}
