package org.batchnorm.bench.experiments.network;

import org.jspecify.annotations.Nullable;

/**
 * Subtracts each feature's mean over the batch and, if asked, divides by its standard deviation (with eps 1e-5), as
 * batch norm does, but keeps these statistics out of the gradient: backward takes them for constants. That is the
 * mistake from which section 2 of Ioffe and Szegedy 2015 starts.
 */
public final class Standardization implements Layer {
    private static final double EPS = 1e-5;

    private final int width;
    private final boolean divides;
    private final double[] factors;

    /**
     * For rows of the given width.
     *
     * @param divides whether to divide by the standard deviation, too
     */
    public Standardization(int width, boolean divides) {
        this.width = width;
        this.divides = divides;
        this.factors = new double[width];
    }

    @Override
    public int inputs() {
        return width;
    }

    @Override
    public int outputs() {
        return width;
    }

    @Override
    public void forward(int n, float[] x, float[] y, boolean training) {
        for (int j = 0; j < width; j++) {
            double sum = 0;
            double squares = 0;
            // Relative to one of the values, so that a large mean costs no digits.
            double origin = x[j];
            for (int i = j; i < n * width; i += width) {
                double distance = x[i] - origin;
                sum += distance;
                squares += distance * distance;
            }
            double mean = sum / n;
            factors[j] = divides ? 1 / Math.sqrt(squares / n - mean * mean + EPS) : 1;
            for (int i = j; i < n * width; i += width) {
                y[i] = (float) ((x[i] - origin - mean) * factors[j]);
            }
        }
    }

    @Override
    public void backward(int n, float[] x, float[] y, float[] dy, float @Nullable [] dx) {
        if (dx == null) {
            return;
        }
        for (int i = 0; i < n * width; i++) {
            dx[i] = (float) (dy[i] * factors[i % width]);
        }
    }
}
