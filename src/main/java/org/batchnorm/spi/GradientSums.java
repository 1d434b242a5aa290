package org.batchnorm.spi;

import java.util.Arrays;

/**
 * The sums of the backward operation for each feature of one batch, or of several that were merged: {@code dbeta = Σ
 * dy} and {@code dgamma = Σ dy · x̂}, which are the gradients of β and γ, and the count of values that they are sums
 * of. In double precision, so that adding them up loses next to nothing; of batches of FLOAT64 Σ dy is the unevaluated
 * sum {@code dbeta + dbetaLow}.
 */
public final class GradientSums {
    private long count;
    private final double[] dgamma;
    private final double[] dbeta;
    private final double[] dbetaLow;

    /**
     * Those of no values.
     *
     * @param features C, ≥ 1
     */
    public GradientSums(int features) {
        dgamma = new double[features];
        dbeta = new double[features];
        dbetaLow = new double[features];
    }

    /** The values of each feature: m in {@code dx = gamma · rstd · (dy − dbeta/m − x̂ · dgamma/m)}. */
    public long count() {
        return count;
    }

    /** Sets how many values each feature has; a backend does so when it has written the others. */
    public void count(long values) {
        count = values;
    }

    /** {@code Σ dy · x̂}, the gradient of the loss by γ, (C): the live array. */
    public double[] dgamma() {
        return dgamma;
    }

    /** {@code Σ dy}, the gradient of the loss by β, (C): the live array. */
    public double[] dbeta() {
        return dbeta;
    }

    /** What rounding took from {@code Σ dy}, (C): the live array; zeros of a batch of float32. */
    public double[] dbetaLow() {
        return dbetaLow;
    }

    /** Those of no values again. */
    public void clear() {
        count = 0;
        Arrays.fill(dgamma, 0);
        Arrays.fill(dbeta, 0);
        Arrays.fill(dbetaLow, 0);
    }

    /**
     * Adds the sums over other values that were normalized with the same statistics.
     *
     * @throws IllegalArgumentException if the others have another number of features
     */
    public void add(GradientSums other) {
        if (other.dgamma.length != dgamma.length) {
            throw new IllegalArgumentException("other: sums of " + other.dgamma.length
                    + " features given, must have the " + dgamma.length + " of these");
        }
        for (int c = 0; c < dgamma.length; c++) {
            dgamma[c] += other.dgamma[c];
            addToDbeta(c, other.dbeta[c], other.dbetaLow[c]);
        }
        count += other.count;
    }

    /** Before a backend writes the others: what it leaves out is 0. */
    void clearLow() {
        Arrays.fill(dbetaLow, 0);
    }

    /** Keeps what one double does not hold (Knuth's TwoSum). */
    private void addToDbeta(int c, double by, double byLow) {
        double sum = dbeta[c] + by;
        double added = sum - dbeta[c];
        double lost = (dbeta[c] - (sum - added)) + (by - added);
        double low = Double.isFinite(lost) ? dbetaLow[c] + byLow + lost : 0;
        dbeta[c] = sum + low;
        dbetaLow[c] = Double.isFinite(sum) ? low - (dbeta[c] - sum) : 0;
    }
}
