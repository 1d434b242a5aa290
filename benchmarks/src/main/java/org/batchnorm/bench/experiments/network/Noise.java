package org.batchnorm.bench.experiments.network;

import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Noise after batch norm that moves every step, as Santurkar et al. 2018 inject it: in training {@code y = a·x + b},
 * with a and b drawn anew for each feature and step (mean and scale of the feature) and again, closer around them, for
 * each value. In inference y = x. Within a step the noise stays the same until {@link #nextStep()}.
 */
public final class Noise implements Layer {
    private static final double LARGEST_MEAN = 0.5;
    private static final double LARGEST_SCALE = 1.25;
    private static final double SPREAD = 0.1;

    private final int width;
    private final long seed;
    private long step;
    private float[] scales = {};

    /** For rows of the given width. */
    public Noise(int width, long seed) {
        this.width = width;
        this.seed = seed;
    }

    /** From now on the noise is another. */
    public void nextStep() {
        step++;
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
        if (!training) {
            System.arraycopy(x, 0, y, 0, n * width);
            return;
        }
        scales = new float[n * width];
        SplittableRandom random = new SplittableRandom(seed + step);
        for (int j = 0; j < width; j++) {
            double mean = random.nextDouble(-LARGEST_MEAN, LARGEST_MEAN);
            double scale = random.nextDouble(1, LARGEST_SCALE);
            for (int i = j; i < n * width; i += width) {
                scales[i] = (float) random.nextDouble(scale - SPREAD, scale + SPREAD);
                y[i] = scales[i] * x[i] + (float) random.nextDouble(mean - SPREAD, mean + SPREAD);
            }
        }
    }

    @Override
    public void backward(int n, float[] x, float[] y, float[] dy, float @Nullable [] dx) {
        if (dx == null) {
            return;
        }
        for (int i = 0; i < n * width; i++) {
            dx[i] = scales[i] * dy[i];
        }
    }
}
