package org.batchnorm.spi;

import org.batchnorm.data.ElementType;
import org.batchnorm.data.FeatureValues;
import org.jspecify.annotations.Nullable;

/**
 * The per-feature statistics with which one batch was normalized, C values each, in float32 or, for batches of
 * {@link ElementType#FLOAT64}, in float64. A backend writes them in the forward operation and reads them in the
 * backward one.
 *
 * <p>The mean is kept as the unevaluated sum {@code mean + meanLow}, because one value of the type is not enough: at
 * mean 1e5 and standard deviation 1 its rounding to float32 alone would cost 4e-3 in y.
 */
public final class BatchStatistics {
    private final FeatureValues mean;
    private final FeatureValues meanLow;
    private final FeatureValues variance;
    private final FeatureValues rstd;
    private long count;
    private @Nullable Moments part;
    private boolean isOfPart;

    /**
     * Zeroed statistics in float32.
     *
     * @param features C, ≥ 1
     */
    public BatchStatistics(int features) {
        this(features, ElementType.FLOAT32);
    }

    /**
     * Zeroed statistics.
     *
     * @param features C, ≥ 1
     * @param type FLOAT32 or FLOAT64
     */
    public BatchStatistics(int features, ElementType type) {
        this(FeatureValues.zeros(type, features), FeatureValues.zeros(type, features));
    }

    private BatchStatistics(FeatureValues mean, FeatureValues variance) {
        this.mean = mean;
        this.meanLow = FeatureValues.zeros(mean.type(), mean.features());
        this.variance = variance;
        this.rstd = FeatureValues.zeros(mean.type(), mean.features());
    }

    /**
     * Statistics that stand in other arrays, as running ones do: they are read where they are whenever they are used.
     * Their {@link #rstd()} is 0 until the caller sets it: transforming does not read it, gradients do.
     *
     * @param mean (C)
     * @param variance (C)
     */
    public static BatchStatistics over(float[] mean, float[] variance) {
        return over(FeatureValues.of(mean), FeatureValues.of(variance));
    }

    /** {@link #over(float[], float[])} of values of either type, which must be the same. */
    public static BatchStatistics over(FeatureValues mean, FeatureValues variance) {
        return new BatchStatistics(mean, variance);
    }

    /**
     * Sets all of them, and their count, from moments: {@code variance = m2 / count}, {@code rstd = 1 / sqrt(variance +
     * eps)}, each in double precision and rounded once. Of no values there are no statistics: the count becomes 0, the
     * others stay what they are.
     */
    public void set(Moments moments, double eps) {
        count = moments.count();
        if (count == 0) {
            return;
        }
        for (int c = 0; c < mean.features(); c++) {
            double exact = moments.mean()[c];
            double exactVariance = moments.m2()[c] / (double) count;
            mean.set(c, exact);
            meanLow.set(c, (exact - mean.get(c)) + moments.meanLow()[c]);
            if (!Double.isFinite(meanLow.get(c))) {
                meanLow.set(c, 0);
            }
            variance.set(c, exactVariance);
            rstd.set(c, 1 / Math.sqrt(exactVariance + eps));
        }
    }

    /** Takes over given statistics as they are now: there is no {@link #meanLow()}. */
    public void set(FeatureValues givenMean, FeatureValues givenVariance, double eps) {
        for (int c = 0; c < mean.features(); c++) {
            mean.set(c, givenMean.get(c));
            meanLow.set(c, 0);
            variance.set(c, givenVariance.get(c));
            rstd.set(c, 1 / Math.sqrt(givenVariance.get(c) + eps));
        }
    }

    /** Sets moments from them, with the mean as it is kept and {@code m2 = variance · count}. */
    public void copyTo(Moments moments) {
        boolean inDouble = type() == ElementType.FLOAT64;
        for (int c = 0; c < mean.features(); c++) {
            moments.mean()[c] = mean(c);
            moments.meanLow()[c] = inDouble ? meanLow.get(c) : 0;
            moments.m2()[c] = variance(c) * count;
        }
        moments.count(count);
    }

    /**
     * The values of each feature of which these are the statistics: m. Where a batch has as many, a backend may take
     * them for the batch's own.
     */
    public long count() {
        return count;
    }

    /** Sets of how many values of each feature these are the statistics. */
    public void count(long values) {
        count = values;
    }

    /**
     * The moments of the values at hand, where these are statistics of more values, as of other ranks or micro-batches;
     * null: nobody has told them. What is normalized, and x̂ in every formula, goes by the statistics all the same. The
     * moments tell a backend what a constant in dy, which costs digits, adds to the sums of a part, {@code Σ x̂ = n ·
     * (mean of the part − mean) · rstd}.
     */
    public @Nullable Moments part() {
        return isOfPart ? part : null;
    }

    /**
     * Tells the moments of the values at hand, of which a copy is kept. They hold until {@link #clearPart}, which
     * whoever takes these statistics for other values calls.
     */
    public void setPart(Moments ofValuesAtHand) {
        if (part == null) {
            part = new Moments(features());
        }
        part.clear();
        part.add(ofValuesAtHand);
        isOfPart = true;
    }

    /** From here on these are the statistics of the values at hand, or nobody has told the moments of those. */
    public void clearPart() {
        isOfPart = false;
    }

    /** The type of the statistics, FLOAT32 or FLOAT64. */
    public ElementType type() {
        return mean.type();
    }

    /** C. */
    public int features() {
        return mean.features();
    }

    /** The mean, rounded to float32; (C), the live array. Of statistics in float64: {@link #doubleMean()}. */
    public float[] mean() {
        return mean.floats();
    }

    /** What rounding took from the mean: {@code exact mean ≈ mean + meanLow}; (C), the live array. */
    public float[] meanLow() {
        return meanLow.floats();
    }

    /** The biased variance (divisor m); (C), the live array. */
    public float[] variance() {
        return variance.floats();
    }

    /** {@code 1 / sqrt(variance + eps)}; (C), the live array. */
    public float[] rstd() {
        return rstd.floats();
    }

    /** The mean, rounded to float64; (C), the live array. */
    public double[] doubleMean() {
        return mean.doubles();
    }

    /** What rounding took from the mean: {@code exact mean ≈ mean + meanLow}; (C), the live array. */
    public double[] doubleMeanLow() {
        return meanLow.doubles();
    }

    /** The biased variance (divisor m); (C), the live array. */
    public double[] doubleVariance() {
        return variance.doubles();
    }

    /** {@code 1 / sqrt(variance + eps)}; (C), the live array. */
    public double[] doubleRstd() {
        return rstd.doubles();
    }

    /** The mean of one feature, as float64 has it. */
    public double mean(int feature) {
        return mean.get(feature) + meanLow.get(feature);
    }

    /** What one feature's mean lies below {@code value + valueLow}. */
    public double distance(double value, double valueLow, int feature) {
        return (value - mean.get(feature)) + (valueLow - meanLow.get(feature));
    }

    /** The biased variance of one feature. */
    public double variance(int feature) {
        return variance.get(feature);
    }

    /** {@code 1 / sqrt(variance + eps)} of one feature. */
    public double rstd(int feature) {
        return rstd.get(feature);
    }

    /** Whether these statistics stand in those very arrays. */
    public boolean areOver(FeatureValues otherMean, FeatureValues otherVariance) {
        return mean.isSameArray(otherMean) && variance.isSameArray(otherVariance);
    }
}
