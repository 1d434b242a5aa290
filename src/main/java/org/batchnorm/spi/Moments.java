package org.batchnorm.spi;

import java.util.Arrays;

/**
 * The first two moments of each feature of one batch, or of several that were merged: the count of values, their mean,
 * and {@code m2 = Σ (x − mean)²}. In double precision, so that merging loses next to nothing; of batches of FLOAT64 the
 * mean is the unevaluated sum {@code mean + meanLow}.
 */
public final class Moments {
    private long count;
    private final double[] mean;
    private final double[] meanLow;
    private final double[] m2;

    /**
     * Those of no values.
     *
     * @param features C, ≥ 1
     */
    public Moments(int features) {
        mean = new double[features];
        meanLow = new double[features];
        m2 = new double[features];
    }

    /** The values of each feature. */
    public long count() {
        return count;
    }

    /** Sets how many values each feature has; a backend does so when it has written the others. */
    public void count(long values) {
        count = values;
    }

    /** The mean of each feature, (C): the live array. */
    public double[] mean() {
        return mean;
    }

    /** What rounding took from the mean of each feature, (C): the live array; zeros of a batch of float32. */
    public double[] meanLow() {
        return meanLow;
    }

    /** {@code Σ (x − mean)²} of each feature, (C): the live array. */
    public double[] m2() {
        return m2;
    }

    /** Those of no values again. */
    public void clear() {
        count = 0;
        Arrays.fill(mean, 0);
        Arrays.fill(meanLow, 0);
        Arrays.fill(m2, 0);
    }

    /**
     * Merges the moments of other values into these, which makes those of all of them:
     *
     * <pre>
     *   δ    = mean₂ − mean₁
     *   mean = mean₁ + δ · n₂ / (n₁ + n₂)
     *   m2   = m2₁ + m2₂ + δ² · n₁ · n₂ / (n₁ + n₂)
     * </pre>
     *
     * Source: Chan, Golub &amp; LeVeque 1983, equations 2.1. The order of merges decides the last bits.
     *
     * @throws IllegalArgumentException if the others have another number of features
     */
    public void add(Moments other) {
        if (other.mean.length != mean.length) {
            throw new IllegalArgumentException("other: moments of " + other.mean.length
                    + " features given, must have the " + mean.length + " of these");
        }
        if (other.count == 0) {
            return;
        }
        if (count == 0) {
            set(other);
            return;
        }
        long all = count + other.count;
        double share = (double) other.count / all;
        double weight = count * share;
        for (int c = 0; c < mean.length; c++) {
            double delta = (other.mean[c] - mean[c]) + (other.meanLow[c] - meanLow[c]);
            move(c, delta * share);
            m2[c] += other.m2[c] + delta * delta * weight;
        }
        count = all;
    }

    private void set(Moments other) {
        count = other.count;
        System.arraycopy(other.mean, 0, mean, 0, mean.length);
        System.arraycopy(other.meanLow, 0, meanLow, 0, mean.length);
        System.arraycopy(other.m2, 0, m2, 0, mean.length);
    }

    /** Before a backend writes the others: what it leaves out is 0. */
    void clearLow() {
        Arrays.fill(meanLow, 0);
    }

    /** Adds to a mean, and keeps what one double does not hold (Knuth's TwoSum). */
    private void move(int c, double by) {
        double sum = mean[c] + by;
        double added = sum - mean[c];
        double lost = (mean[c] - (sum - added)) + (by - added);
        double low = Double.isFinite(lost) ? meanLow[c] + lost : 0;
        mean[c] = sum + low;
        meanLow[c] = Double.isFinite(sum) ? low - (mean[c] - sum) : 0;
    }
}
