package org.batchnorm.bench.experiments.network;

import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Dropout (Srivastava et al. 2014): in training each value is set to 0 with the given probability, and the others are
 * divided by the probability to stay. In inference y = x.
 */
public final class Dropout implements Layer {
    private final int width;
    private final double probability;
    private final SplittableRandom random;
    private float[] factors = {};

    /**
     * For rows of the given width.
     *
     * @param probability to be dropped, within [0, 1)
     */
    public Dropout(int width, double probability, long seed) {
        if (!(probability >= 0 && probability < 1)) {
            throw new IllegalArgumentException("probability: " + probability + " given, must be within [0, 1)");
        }
        this.width = width;
        this.probability = probability;
        this.random = new SplittableRandom(seed);
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
        float kept = (float) (1 / (1 - probability));
        factors = new float[n * width];
        for (int i = 0; i < factors.length; i++) {
            factors[i] = random.nextDouble() < probability ? 0 : kept;
            y[i] = factors[i] * x[i];
        }
    }

    @Override
    public void backward(int n, float[] x, float[] y, float[] dy, float @Nullable [] dx) {
        if (dx == null) {
            return;
        }
        for (int i = 0; i < n * width; i++) {
            dx[i] = factors[i] * dy[i];
        }
    }
}
