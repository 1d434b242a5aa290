package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.batchnorm.conformance.ErrorBound;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.Reference;
import org.batchnorm.conformance.Rounded;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Extreme features among ordinary ones: what stands between values and results leaves float32's range, the results do
 * not. Each feature is within the bar, on every path that the CPU backends take.
 */
class ExtremesTest {
    /** Less than any float32, so that values alone make rstd what it is. */
    private static final double EPS = 1e-46;

    /** What is extreme about a feature. */
    private enum Regime {
        NOTHING(0, 1, 1, 1),
        /** γ · rstd overflows. */
        LARGE_FACTOR(0, 1e-18, 1e25, 1e-12),
        /** γ · rstd is less than any float32, */
        SMALL_FACTOR(0, 1e18, 1e-28, 1e15),
        /** or has lost digits. */
        SUBNORMAL_FACTOR(0, 1e18, 1e-24, 1e15),
        /** rstd · dγ / m, the slope of dx over x, overflows. */
        STEEP_GRADIENT(0, 1e-19, 1e-10, 1e24),
        /** The slope is less than any float32. */
        FLAT_GRADIENT(0, 1e17, 1e20, 1e-30),
        /** The terms of x − mean are of the size of float32's largest, and cancel. */
        LARGE_MEAN(2e38, 1e32, 1, 1),
        /** x − mean overflows for a few values. */
        FAR_APART(0, 1.5e38, 1e-8, 1),
        /** dy − mean(dy) does. */
        LARGE_GRADIENTS(0, 1, 1e-9, 1.5e38);

        private final double mean;
        private final double deviation;
        private final double gamma;
        private final double ofDy;

        Regime(double mean, double deviation, double gamma, double ofDy) {
            this.mean = mean;
            this.deviation = deviation;
            this.gamma = gamma;
            this.ofDy = ofDy;
        }

        float x(Random random) {
            return (float) Math.clamp(mean + deviation * random.nextGaussian(), -Float.MAX_VALUE, Float.MAX_VALUE);
        }

        float dy(Random random) {
            return (float) Math.clamp(ofDy * random.nextGaussian(), -Float.MAX_VALUE, Float.MAX_VALUE);
        }

        float gamma(Random random) {
            return (float) (gamma * (1 + random.nextDouble()));
        }

        /** A running mean below 1e38 from which values are farther than float32 reaches, where the batch's is 0. */
        float runningMean() {
            return (float) (this == FAR_APART ? 9e37 : mean);
        }

        float runningVariance(Random random) {
            return (float) (Math.min(deviation * deviation, 1e38) * (1 + random.nextDouble()));
        }
    }

    /** Rows; folded rows; few and many partial sums, with columns that repeat; runs; groups of features. */
    static Stream<Arguments> everyCase() {
        return Stream.of("vector", "scalar")
                .flatMap(backend -> Stream.of(
                                BatchShape.of(3, 50),
                                BatchShape.of(40, 3),
                                BatchShape.of(700, 37),
                                BatchShape.of(600, 256),
                                BatchShape.of(8, 2048),
                                BatchShape.channelsFirst(40, 11, 9),
                                BatchShape.channelsFirst(6, 21, 100),
                                BatchShape.channelsFirst(2, 9, 5000),
                                BatchShape.channelsLast(9, 20, 17))
                        .map(shape -> Arguments.of(backend, shape)));
    }

    @ParameterizedTest
    @MethodSource("everyCase")
    void trainingReachesAsFarAsItsResults(String backend, BatchShape shape) {
        Values values = values(shape, shape.c());
        for (int threads = 1; threads <= 2; threads++) {
            try (BatchNorm layer = layer(backend, shape, threads)) {
                Step.run(layer, values).isWithinBarOfTraining(values, layer.config());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("everyCase")
    void givenStatisticsReachAsFarAsTheirResults(String backend, BatchShape shape) {
        Values values = values(shape, shape.c());
        for (int threads = 1; threads <= 2; threads++) {
            try (BatchNorm layer = layer(backend, shape, threads)) {
                Random random = new Random(5);
                for (int c = 0; c < shape.c(); c++) {
                    layer.runningMean()[c] = regime(c, shape.c()).runningMean();
                    layer.runningVar()[c] = regime(c, shape.c()).runningVariance(random);
                }
                layer.eval();
                Step.run(layer, values)
                        .isWithinBarOfInference(values, layer.config(), layer.runningMean(), layer.runningVar());
                layer.train();
                layer.freezeStatistics();
                Step.run(layer, values)
                        .isWithinBarOfInference(values, layer.config(), layer.runningMean(), layer.runningVar());
            }
        }
    }

    /** The four stages one by one. */
    @ParameterizedTest
    @MethodSource("everyCase")
    void stagesReachAsFarAsTheirResults(String backend, BatchShape shape) {
        Values in = values(shape, shape.c());
        BatchNormOperations operations = Backends.open(Optional.of(backend), new BackendOptions(2, Optional.empty()))
                .operations();
        BatchStatistics statistics = new BatchStatistics(shape.c());
        Normalization normalization = new Normalization(in.weight(), in.bias(), EPS, statistics, true);
        Tensors tensors = new Tensors();
        Moments moments = new Moments(shape.c());
        GradientSums sums = new GradientSums(shape.c());
        // In place, where the stages allow it: no value may be read after it was overwritten.
        float[] y = in.x().clone();
        float[] dx = in.dy().clone();
        Batch x = Batch.of(in.x(), shape);

        operations.collectStatistics(tensors.collect(x), moments);
        statistics.set(moments, EPS);
        operations.transform(tensors.forward(Batch.of(y, shape), Batch.of(y, shape)), normalization);
        operations.reduceGradients(
                tensors.backward(x, Batch.of(in.dy(), shape), Batch.of(dx, shape)), normalization, sums);
        operations.inputGradient(tensors.backward(x, Batch.of(dx, shape), Batch.of(dx, shape)), normalization, sums);

        double[] wide = Reference.widen(in.x());
        Reference.Statistics expected = Reference.statistics(shape, wide, EPS);
        double[] gamma = Reference.widen(in.weight());
        double[] beta = Reference.widen(in.bias());
        double[] dy = Reference.widen(in.dy());
        double[] rstd = expected.rstd();
        check(
                Quantity.Y,
                shape,
                y,
                Reference.transform(shape, wide, gamma, beta, expected.mean(), rstd),
                new double[y.length]);
        check(
                Quantity.DX,
                shape,
                dx,
                Reference.backward(shape, wide, dy, gamma, expected.mean(), rstd, true)
                        .dx(),
                Rounded.gradients(shape, wide, dy, gamma, expected.mean(), rstd, true)
                        .dx());
    }

    private static void check(
            Quantity quantity, BatchShape shape, float[] actual, double[] expected, double[] rounded) {
        assertThat(ErrorBound.checkEachFeature(quantity, shape, actual, expected, rounded)
                        .message())
                .isEmpty();
    }

    /** What stands between the extreme features is taken by the same operations as if there were none. */
    @ParameterizedTest
    @MethodSource("everyCase")
    void extremeFeaturesChangeNoBitOfTheOthers(String backend, BatchShape shape) {
        Values mixed = values(shape, shape.c());
        Values ordinary = values(shape, 0);
        try (BatchNorm layer = layer(backend, shape, 2);
                BatchNorm other = layer(backend, shape, 2)) {
            Step one = Step.run(layer, mixed);
            Step two = Step.run(other, ordinary);
            for (Quantity quantity : new Quantity[] {Quantity.Y, Quantity.DX}) {
                for (int i = 0; i < shape.elements(); i++) {
                    if (regime(Reference.feature(shape, i), shape.c()) == Regime.NOTHING) {
                        assertThat(one.get(quantity)[i]).isEqualTo(two.get(quantity)[i]);
                    }
                }
            }
        }
    }

    private static BatchNorm layer(String backend, BatchShape shape, int threads) {
        return BatchNorm.builder(shape.c())
                .backend(backend)
                .threads(threads)
                .eps(EPS)
                .build();
    }

    /** Of each two neighbours one is ordinary; of more than {@code extremes} features all others, too. */
    private static Regime regime(int feature, int extremes) {
        boolean extreme = feature < extremes && feature % 2 == 1;
        return extreme ? Regime.values()[1 + feature / 2 % (Regime.values().length - 1)] : Regime.NOTHING;
    }

    private static Values values(BatchShape shape, int extremes) {
        Random[] random = new Random[shape.c()];
        Arrays.setAll(random, Random::new);
        float[] x = new float[(int) shape.elements()];
        float[] dy = new float[x.length];
        float[] gamma = new float[shape.c()];
        float[] beta = new float[shape.c()];
        for (int c = 0; c < shape.c(); c++) {
            gamma[c] = regime(c, extremes).gamma(random[c]);
            beta[c] = gamma[c] / 2;
        }
        for (int i = 0; i < x.length; i++) {
            int c = Reference.feature(shape, i);
            x[i] = regime(c, extremes).x(random[c]);
            dy[i] = regime(c, extremes).dy(random[c]);
        }
        return new Values(shape, x, dy, gamma, beta);
    }
}
