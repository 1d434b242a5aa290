package org.batchnorm.spi;

/**
 * The per-feature statistics with which one batch was normalized, C values each. A backend writes them in the forward
 * operation and reads them in the backward one.
 *
 * <p>The mean is kept as the unevaluated sum {@code mean + meanLow}, because one float32 is not enough: at mean 1e5 and
 * standard deviation 1 its rounding alone would cost 4e-3 in y.
 */
public final class BatchStatistics {
    private final float[] mean;
    private final float[] meanLow;
    private final float[] variance;
    private final float[] rstd;
    private long count;

    /**
     * Zeroed statistics.
     *
     * @param features C, ≥ 1
     */
    public BatchStatistics(int features) {
        mean = new float[features];
        meanLow = new float[features];
        variance = new float[features];
        rstd = new float[features];
    }

    private BatchStatistics(float[] mean, float[] variance) {
        this.mean = mean;
        this.meanLow = new float[mean.length];
        this.variance = variance;
        this.rstd = new float[mean.length];
    }

    /**
     * Statistics that stand in other arrays, as running ones do: they are read where they are whenever they are used.
     * Their {@link #rstd()} is 0 until the caller sets it: transforming does not read it, gradients do.
     *
     * @param mean (C)
     * @param variance (C)
     */
    public static BatchStatistics over(float[] mean, float[] variance) {
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
        for (int c = 0; c < mean.length; c++) {
            double exact = moments.mean()[c];
            double exactVariance = moments.m2()[c] / (double) count;
            float high = (float) exact;
            float low = (float) (exact - high);
            mean[c] = high;
            meanLow[c] = Float.isFinite(low) ? low : 0;
            variance[c] = (float) exactVariance;
            rstd[c] = (float) (1 / Math.sqrt(exactVariance + eps));
        }
    }

    /** Sets moments from them, with the mean as it is kept and {@code m2 = variance · count}. */
    public void copyTo(Moments moments) {
        for (int c = 0; c < mean.length; c++) {
            moments.mean()[c] = (double) mean[c] + meanLow[c];
            moments.m2()[c] = (double) variance[c] * count;
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

    /** The mean, rounded to float32; (C), the live array. */
    public float[] mean() {
        return mean;
    }

    /** What rounding took from the mean: {@code exact mean ≈ mean + meanLow}; (C), the live array. */
    public float[] meanLow() {
        return meanLow;
    }

    /** The biased variance (divisor m); (C), the live array. */
    public float[] variance() {
        return variance;
    }

    /** {@code 1 / sqrt(variance + eps)}; (C), the live array. */
    public float[] rstd() {
        return rstd;
    }
}
