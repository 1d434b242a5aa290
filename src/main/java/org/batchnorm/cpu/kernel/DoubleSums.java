package org.batchnorm.cpu.kernel;

import java.util.Arrays;

/** Sums of suspect features, in float64 from the first addition on. */
public final class DoubleSums {
    /** Values between arrays that different threads write, so that these never share a line of the caches. */
    private static final int APART = 64;

    /** Σ (x − centre), (C). */
    public double[] distance = {};

    /** Σ dy, (C); 0 where there is no dy. */
    public double[] gradient = {};

    /** Σ dy · (x − centre), (C); where there is no dy, Σ (x − centre)². */
    public double[] product = {};

    /** Makes room for {@code features} features; the contents are lost where that needs new arrays. */
    void reserve(int features) {
        if (distance.length < features) {
            distance = new double[features + APART];
            gradient = new double[features + APART];
            product = new double[features + APART];
        }
    }

    /** Clears the features {@code from} to {@code to}. */
    public void clear(int from, int to) {
        Arrays.fill(distance, from, to, 0);
        Arrays.fill(gradient, from, to, 0);
        Arrays.fill(product, from, to, 0);
    }

    /** Adds those of the features {@code from} to {@code to}. */
    void add(DoubleSums more, int from, int to) {
        for (int i = from; i < to; i++) {
            distance[i] += more.distance[i];
            gradient[i] += more.gradient[i];
            product[i] += more.product[i];
        }
    }
}
