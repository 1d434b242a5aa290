package org.batchnorm;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import java.util.function.IntFunction;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.BatchShape;

/**
 * Training steps on data of every regime, each within the bar feature by feature. The seed of a case is its number, so
 * that a failure can be run again: {@code -Dorg.batchnorm.fuzz.first=123 -Dorg.batchnorm.fuzz.cases=1}.
 */
public final class Fuzz {
    private static final int MOST_SHOWN = 5;

    private final int first;
    private final int cases;

    /** A fuzz from case 0 on. */
    public Fuzz(int cases) {
        this(0, cases);
    }

    /**
     * A fuzz.
     *
     * @param first the first case, unless the property {@code org.batchnorm.fuzz.first} says it
     * @param cases how many cases, unless the property {@code org.batchnorm.fuzz.cases} says it
     */
    Fuzz(int first, int cases) {
        this.first = Integer.getInteger("org.batchnorm.fuzz.first", first);
        this.cases = Integer.getInteger("org.batchnorm.fuzz.cases", cases);
    }

    /**
     * Runs the cases.
     *
     * @param shapes draws the shape of a case
     * @param builders make a builder for so many features
     * @throws AssertionError that tells of the first failures, if there is one
     */
    public void run(Function<Random, BatchShape> shapes, IntFunction<BatchNormBuilder> builders) {
        List<String> failures = new ArrayList<>();
        for (int number = first; number < first + cases; number++) {
            Random random = new Random(number);
            BatchShape shape = shapes.apply(random);
            X regimeOfX = X.values()[random.nextInt(X.values().length)];
            Dy regimeOfDy = Dy.values()[random.nextInt(Dy.values().length)];
            Values values = values(shape, regimeOfX, regimeOfDy, random);
            try (BatchNorm layer =
                    builders.apply(shape.c()).threads(1 + number % 2).build()) {
                Step.run(layer, values)
                        .isWithinBarOfTraining(values, layer.config())
                        .isWithinBarOfFirstBatch(values, layer.config());
            } catch (AssertionError e) {
                failures.add("case " + number + ", " + shape + ", x " + regimeOfX + ", dy " + regimeOfDy + ": "
                        + e.getMessage());
            }
        }
        if (!failures.isEmpty()) {
            throw new AssertionError(failures.size() + " of " + cases + " cases:\n"
                    + String.join("\n", failures.subList(0, Math.min(MOST_SHOWN, failures.size()))));
        }
    }

    private static Values values(BatchShape shape, X regimeOfX, Dy regimeOfDy, Random random) {
        int c = shape.c();
        int m = (int) shape.valuesPerFeature();
        float[] x = new float[(int) shape.elements()];
        float[] dy = new float[x.length];
        float[] gamma = new float[c];
        float[] beta = new float[c];
        int[] next = new int[c];
        double[][] ofX = new double[c][];
        double[][] ofDy = new double[c][];
        for (int i = 0; i < c; i++) {
            gamma[i] = (float) (0.5 + random.nextDouble());
            beta[i] = (float) (0.1 * random.nextGaussian());
            ofX[i] = regimeOfX.values(m, random);
            ofDy[i] = regimeOfDy.values(ofX[i], random);
        }
        for (int i = 0; i < x.length; i++) {
            int feature = Reference.feature(shape, i);
            int value = next[feature]++;
            x[i] = (float) ofX[feature][value];
            dy[i] = (float) ofDy[feature][value];
        }
        return new Values(shape, x, dy, gamma, beta);
    }

    /** What the values of one feature are like. */
    private enum X {
        NORMAL {
            @Override
            double value(int i, Random random, double[] p) {
                return random.nextGaussian();
            }
        },
        /** The mean is up to 1e7 deviations from zero. */
        FAR_FROM_ZERO {
            @Override
            double value(int i, Random random, double[] p) {
                return Math.pow(10, 7 * p[0]) + random.nextGaussian();
            }
        },
        /** Every so many values one that is not like the others, at any stride and phase. */
        PERIODIC_OUTLIERS {
            @Override
            double value(int i, Random random, double[] p) {
                int stride = 2 + (int) (62 * p[0]);
                return random.nextGaussian() + (i % stride == (int) (stride * p[1]) ? 100 * p[2] : 0);
            }
        },
        HEAVY_TAILS {
            @Override
            double value(int i, Random random, double[] p) {
                return random.nextGaussian() / Math.max(Math.abs(random.nextGaussian()), 1e-3);
            }
        },
        /** Mostly 0, as after a ReLU. */
        DEAD {
            @Override
            double value(int i, Random random, double[] p) {
                return Math.max(random.nextGaussian() - 2 * p[0], 0);
            }
        },
        /** Nearly all at one end, as after a sigmoid. */
        SATURATED {
            @Override
            double value(int i, Random random, double[] p) {
                return 1 / (1 + Math.exp(-8 * p[0] - random.nextGaussian()));
            }
        },
        SMALL {
            @Override
            double value(int i, Random random, double[] p) {
                return Math.pow(10, -18 * p[0]) * random.nextGaussian();
            }
        },
        LARGE {
            @Override
            double value(int i, Random random, double[] p) {
                return Math.pow(10, 20 * p[0]) * random.nextGaussian();
            }
        };

        /** One value; p are three numbers of the feature, from 0 to 1. */
        abstract double value(int i, Random random, double[] p);

        double[] values(int m, Random random) {
            double[] p = {random.nextDouble(), random.nextDouble(), random.nextDouble()};
            double[] values = new double[m];
            for (int i = 0; i < m; i++) {
                values[i] = value(i, random, p);
            }
            return values;
        }
    }

    /** What the gradients of one feature are like, beside its values. */
    private enum Dy {
        NORMAL {
            @Override
            double[] values(double[] x, Random random) {
                return around(0, x.length, random);
            }
        },
        WITH_A_MEAN {
            @Override
            double[] values(double[] x, Random random) {
                return around(Math.pow(10, 5 * random.nextDouble()), x.length, random);
            }
        },
        CONSTANT {
            @Override
            double[] values(double[] x, Random random) {
                double[] values = new double[x.length];
                Arrays.fill(values, random.nextGaussian());
                return values;
            }
        },
        LINEAR_IN_X {
            @Override
            double[] values(double[] x, Random random) {
                double slope = random.nextGaussian();
                double offset = random.nextGaussian();
                return Arrays.stream(x).map(v -> offset + slope * (float) v).toArray();
            }
        };

        abstract double[] values(double[] x, Random random);

        private static double[] around(double mean, int m, Random random) {
            double[] values = new double[m];
            for (int i = 0; i < m; i++) {
                values[i] = mean + random.nextGaussian();
            }
            return values;
        }
    }
}
