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

    /** The factor of the distance in {@code transform}. */
    double[] scale = {};

    /** β. */
    double[] offset = {};

    /** The mean of dy. */
    double[] dyMean = {};

    /** What rounding took from that. */
    double[] dyMeanLow = {};

    /** The factor of the distance in {@code inputGradient}. */
    double[] slope = {};

    /** The factor of everything in {@code inputGradient}. */
    double[] gradientScale = {};

    private final Pair pair = new Pair();

    /** Makes room; the contents are lost. */
    void reserve(int count) {
        if (unit.length < count) {
            unit = new double[count];
            mean = new double[count];
            meanLow = new double[count];
            rstd = new double[count];
            scale = new double[count];
            offset = new double[count];
            dyMean = new double[count];
            dyMeanLow = new double[count];
            slope = new double[count];
            gradientScale = new double[count];
        }
    }

    /** Those of {@code transform}, and of the distances of gradients. */
    void setTransform(Normalization n) {
        setTransform(n, n.throughStatistics());
    }

    private void setTransform(Normalization n, boolean hasRstd) {
        BatchStatistics statistics = n.statistics();
        for (int c = 0; c < statistics.features(); c++) {
            double rstdOfFeature = hasRstd ? statistics.rstd(c) : 1 / Math.sqrt(statistics.variance(c) + n.eps());
            set(n, c, rstdOfFeature);
        }
    }

    /** The same of a backward: given statistics have an rstd by then. */
    void setBackward(Normalization n, boolean fromOutput) {
        setTransform(n, true);
        if (fromOutput) {
            setFromOutput(n.doubleGamma(), n.statistics().features());
        }
    }

    /** With y in the place of x: {@code z = γ · x̂ + β} has the distance {@code z − β}, and {@code x̂} that by γ. */
    private void setFromOutput(double @Nullable [] gamma, int features) {
        for (int c = 0; c < features; c++) {
            unit[c] = 1;
            mean[c] = offset[c];
            meanLow[c] = 0;
            rstd[c] = gamma == null ? 1 : 1 / gamma[c];
        }
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
        offset[c] = beta == null ? 0 : beta[c];
    }

    /** The mean of dy, or 0 where it is not finite or not wanted. */
    void setCentre(GradientSums sums, boolean wanted) {
        int features = sums.dbeta().length;
        for (int c = 0; c < features; c++) {
            pair.set(sums.dbeta()[c], sums.dbetaLow()[c]).divide((double) sums.count());
            boolean finite = wanted && Double.isFinite(pair.high);
            dyMean[c] = finite ? pair.high : 0;
            dyMeanLow[c] = finite ? pair.low : 0;
        }
    }

    /**
     * Those of {@code inputGradient}: with m the count of the sums,
     *
     * <pre>{@code dx = γ · rstd · (dy − dβ / m − x̂ · dγ / m)}</pre>
     *
     * through statistics; of two values, where that cancels, {@code dx = γ · rstd · (eps · rstd²) · (dy − dβ / 2)}.
     */
    void setInputGradient(Normalization n, GradientSums sums) {
        double m = sums.count();
        double @Nullable [] gamma = n.doubleGamma();
        double[] rstdOfFeature = n.statistics().doubleRstd();
        for (int c = 0; c < rstdOfFeature.length; c++) {
            gradientScale[c] = (gamma == null ? 1 : gamma[c]) * rstdOfFeature[c];
            if (!n.throughStatistics()) {
                continue;
            }
            pair.set(sums.dbeta()[c], sums.dbetaLow()[c]).divide(m);
            dyMean[c] = pair.high;
            dyMeanLow[c] = pair.low;
            slope[c] = rstd[c] * (sums.dgamma()[c] / m);
            if (m == TWO_VALUES) {
                slope[c] = 0;
                gradientScale[c] *= n.eps() * rstdOfFeature[c] * rstdOfFeature[c];
            }
        }
    }

    /** Before statistics: what is known is the unit. */
    void setUnit(double ofAll, int features) {
        Arrays.fill(unit, 0, features, ofAll);
    }
}
