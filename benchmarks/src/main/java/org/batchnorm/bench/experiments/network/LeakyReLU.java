package org.batchnorm.bench.experiments.network;

import org.jspecify.annotations.Nullable;

/** {@code y = x} where x &gt; 0, else {@code y = slope · x}. */
public final class LeakyReLU implements Layer {

    /** PyTorch's default for {@code negative_slope}. */
    public static final float DEFAULT_SLOPE = 0.01f;

    private final int width;
    private final float slope;

    /** With the slope {@link #DEFAULT_SLOPE}. */
    public LeakyReLU(int width) {
        this(width, DEFAULT_SLOPE);
    }

    /**
     * With the given slope for x ≤ 0.
     *
     * @throws IllegalArgumentException if the slope is not within [0, 1]
     */
    public LeakyReLU(int width, float slope) {
        if (!(slope >= 0 && slope <= 1)) {
            throw new IllegalArgumentException("slope: " + slope + " given, must be within [0, 1]");
        }
        this.width = width;
        this.slope = slope;
    }

    /** The slope for x ≤ 0. */
    public float slope() {
        return slope;
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
        for (int i = 0; i < n * width; i++) {
            y[i] = Math.max(x[i], slope * x[i]);
        }
    }

    @Override
    public void backward(int n, float[] x, float[] y, float[] dy, float @Nullable [] dx) {
        if (dx == null) {
            return;
        }
        for (int i = 0; i < n * width; i++) {
            // 1 where x > 0, else the slope; a branch would be mispredicted every other time.
            dx[i] = dy[i] * Math.max(Math.signum(x[i]), slope);
        }
    }
}
