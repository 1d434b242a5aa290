package org.batchnorm.golden;

import java.util.SplittableRandom;
import org.batchnorm.LayerCalls.Shape;

/** The inputs of a case. They are made from its shape, by integers and exact arithmetic, so they need no files. */
final class GoldenInputs {
    final Shape shape;
    final float[] x;
    final float[] dy;
    final float[] gamma;
    final float[] beta;
    final float[] runningMean;
    final float[] runningVar;

    GoldenInputs(GoldenCase golden) {
        shape = golden.shape();
        SplittableRandom random = new SplittableRandom(31 * (31 * shape.n() + shape.c()) + shape.spatial());
        int c = shape.c();
        gamma = new float[c];
        beta = new float[c];
        runningMean = new float[c];
        runningVar = new float[c];
        for (int i = 0; i < c; i++) {
            gamma[i] = 1 + value(random) / 4;
            beta[i] = value(random);
            runningMean[i] = 3 + value(random) / 2;
            runningVar[i] = 1 + Math.abs(value(random));
        }
        x = new float[shape.elements()];
        dy = new float[x.length];
        for (int i = 0; i < x.length; i++) {
            int feature = shape.feature(i);
            x[i] = value(random) * spread(feature) + mean(feature);
            dy[i] = value(random) + 0.1f;
        }
        if (golden.hard()) {
            harden();
        }
    }

    /** Of mean 0 and variance 1, roughly normal: the sum of three integers of 21 bits, which a float holds exactly. */
    private static float value(SplittableRandom random) {
        long bits = random.nextLong();
        long sum = (bits >> 43) + ((bits << 21) >> 43) + ((bits << 42) >> 43);
        return sum * 0x1p-20f;
    }

    /** About 3, but for some features. */
    private static float mean(int feature) {
        return switch (feature % 11) {
            case 3 -> 100;
            case 5 -> -0.25f;
            default -> 3;
        };
    }

    /** A power of two, so that the product with it is exact. */
    private static float spread(int feature) {
        return switch (feature % 7) {
            case 2 -> 0x1p-9f;
            case 4 -> 4;
            default -> 1;
        };
    }

    /** Makes features of which the first guess of the mean is bad, or of which a sum is not finite. */
    private void harden() {
        int m = shape.valuesPerFeature();
        int[] seen = new int[shape.c()];
        for (int i = 0; i < x.length; i++) {
            int feature = shape.feature(i);
            int at = seen[feature]++;
            switch (feature) {
                case 1 -> x[i] = 5.3f;
                case 2 -> x[i] = at == 0 ? 1e6f : x[i];
                case 4 -> x[i] = at % (m / 4) == 0 ? 1e6f : x[i];
                case 6 -> x[i] = at == 1 ? Float.NaN : x[i];
                case 7 -> x[i] *= 0x1p-70f;
                case 8 -> dy[i] = at == 2 ? Float.POSITIVE_INFINITY : dy[i];
                case 9 -> dy[i] = at == 0 ? 1e6f : dy[i];
                default -> {
                    // As it is.
                }
            }
        }
    }
}
