package org.batchnorm.spi;

import java.util.Arrays;

/**
 * The sums of the backward operation for each feature of one batch, or of several that were merged: {@code dbeta = Σ
 * dy} and {@code dgamma = Σ dy · x̂}, which are the gradients of β and γ, and the count of values that they are sums
 * of. In double precision, so that adding them up loses next to nothing.
 */
public final class GradientSums {
    private long count;
    private final double[] dgamma;
    private final double[] dbeta;

    /**
     * Those of no values.
     *
     * @param features C, ≥ 1
     */
    public GradientSums(int features) {
        dgamma = new double[features];
        dbeta = new double[features];
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

    /** Those of no values again. */
    public void clear() {
        count = 0;
        Arrays.fill(dgamma, 0);
        Arrays.fill(dbeta, 0);
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
            dbeta[c] += other.dbeta[c];
        }
        count += other.count;
    }
}
