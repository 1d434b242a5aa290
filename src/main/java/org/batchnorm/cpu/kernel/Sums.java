package org.batchnorm.cpu.kernel;

/** The sums of a reduction per feature, in float64. */
public final class Sums {
    /** Values between arrays that different threads write, so that these never share a line of the caches. */
    private static final int APART = 64;

    /** Σ w, (C): w is x or dy, less its shift. */
    public double[] sum = {};

    /** Σ w · d, (C): d is x less its shift. Where w is d, these are sums of squares. */
    public double[] product = {};

    /** Makes room for {@code features} features; the contents are lost where that needs new arrays. */
    public void reserve(int features) {
        if (sum.length < features) {
            sum = new double[features + APART];
            product = new double[features + APART];
        }
    }
}
