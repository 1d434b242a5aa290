package org.batchnorm.bench.experiments.network;

import org.jspecify.annotations.Nullable;

/** {@code y = 1 / (1 + exp(−x))}; backward {@code dx = dy · y · (1 − y)}. */
public final class Sigmoid implements Layer {
    private final int width;

    /** For rows of the given width. */
    public Sigmoid(int width) {
        this.width = width;
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
            y[i] = (float) (1 / (1 + StrictMath.exp(-x[i])));
        }
    }

    @Override
    public void backward(int n, float[] x, float[] y, float[] dy, float @Nullable [] dx) {
        if (dx == null) {
            return;
        }
        for (int i = 0; i < n * width; i++) {
            dx[i] = dy[i] * y[i] * (1 - y[i]);
        }
    }
}
