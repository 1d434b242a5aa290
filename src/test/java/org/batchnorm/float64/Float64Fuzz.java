package org.batchnorm.float64;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.BatchShape;

/** Training steps on data of every regime, each within the bar feature by feature. The seed of a case is its number. */
public final class Float64Fuzz {

    /** What the values of one feature are like; p and q are two numbers of the feature, from 0 to 1. */
    private enum X {
        NORMAL {
            @Override
            double value(int i, Random random, double p, double q) {
                return random.nextGaussian();
            }
        },
        /** The mean is up to 1e15 deviations from zero. */
        FAR_FROM_ZERO {
            @Override
            double value(int i, Random random, double p, double q) {
                return Math.pow(10, 15 * p) + random.nextGaussian();
            }
        },
        PERIODIC_OUTLIERS {
            @Override
            double value(int i, Random random, double p, double q) {
                int stride = 2 + (int) (62 * p);
                return random.nextGaussian() + (i % stride == (int) (stride * q) ? 1e6 * q : 0);
            }
        },
        HEAVY_TAILS {
            @Override
            double value(int i, Random random, double p, double q) {
                return random.nextGaussian() / Math.max(Math.abs(random.nextGaussian()), 1e-3);
            }
        },
        /** Mostly 0, as after a ReLU. */
        DEAD {
            @Override
            double value(int i, Random random, double p, double q) {
                return Math.max(random.nextGaussian() - 2 * p, 0);
            }
        },
        SMALL {
            @Override
            double value(int i, Random random, double p, double q) {
                return Math.pow(10, -150 * p) * random.nextGaussian();
            }
        },
        LARGE {
            @Override
            double value(int i, Random random, double p, double q) {
                return Math.pow(10, 150 * p) * random.nextGaussian();
            }
        };

        abstract double value(int i, Random random, double p, double q);
    }

    /** What the gradients of one feature are like. */
    private enum Dy {
        NORMAL,
        WITH_A_MEAN,
        CONSTANT,
        LINEAR_IN_X
    }

    private Float64Fuzz() {}

    /**
     * Runs the cases from {@code first} to before {@code end}, and fails with all that are beyond the bar.
     *
     * @param shapes of batches of a few hundred values
     */
    public static void run(int first, int end, Function<Random, BatchShape> shapes, String backend) {
        List<String> failures = new ArrayList<>();
        for (int number = first; number < end; number++) {
            Random random = new Random(number);
            Inputs in = inputs(shapes.apply(random), random);
            List<String> beyond = new Exact(in).beyondBar(Layers.train(in, backend));
            if (!beyond.isEmpty()) {
                failures.add("case " + number + ", " + in.shape() + ": " + beyond);
            }
        }
        assertThat(failures).as("of " + (end - first) + " cases").isEmpty();
    }

    private static Inputs inputs(BatchShape shape, Random random) {
        X ofX = X.values()[random.nextInt(X.values().length)];
        Dy ofDy = Dy.values()[random.nextInt(Dy.values().length)];
        int c = shape.c();
        double[] p = random.doubles(c).toArray();
        double[] q = random.doubles(c).toArray();
        double[] mean = random.doubles(c, 0, 12).map(e -> Math.pow(10, e)).toArray();
        Inputs in = Inputs.random(shape, random.nextLong());
        double[] x = in.x();
        double[] dy = in.dy();
        int[] next = new int[c];
        for (int i = 0; i < x.length; i++) {
            int feature = Reference.feature(shape, i);
            x[i] = ofX.value(next[feature]++, random, p[feature], q[feature]);
            dy[i] = switch (ofDy) {
                case NORMAL -> dy[i];
                case WITH_A_MEAN -> dy[i] + mean[feature];
                case CONSTANT -> mean[feature];
                case LINEAR_IN_X -> q[feature] + p[feature] * x[i];
            };
        }
        for (int i = 0; i < c; i++) {
            in.gamma()[i] = 0.5 + random.nextDouble();
            in.beta()[i] = 0.1 * random.nextGaussian();
        }
        return in;
    }
}
