package org.batchnorm.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Random;
import java.util.function.DoubleUnaryOperator;
import org.assertj.core.data.Offset;
import org.batchnorm.data.BatchShape;
import org.batchnorm.state.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The reference itself, against numbers worked out by hand, against PyTorch in double precision, and against finite
 * differences.
 */
class ReferenceTest {
    private static final double EPS = 1e-5;

    @Test
    void agreesWithNumbersWorkedOutByHand() {
        // Feature 0: 1, 3 (mean 2, variance 1); feature 1: 10, 14 (mean 12, variance 4).
        BatchShape shape = BatchShape.of(2, 2);
        double[] x = {1, 10, 3, 14};
        Reference.Statistics statistics = Reference.statistics(shape, x, 0);
        assertThat(statistics.mean()).containsExactly(2, 12);
        assertThat(statistics.variance()).containsExactly(1, 4);
        assertThat(statistics.rstd()).containsExactly(1, 0.5);
        assertThat(Reference.unbiased(statistics.variance(), 2)).containsExactly(2, 8);
        assertThat(Reference.transform(
                        shape, x, new double[] {2, 3}, new double[] {5, 7}, statistics.mean(), statistics.rstd()))
                .containsExactly(3, 4, 7, 10);
        assertThat(Reference.updateRunning(new double[] {0, 10}, new double[] {2, 12}, 0.25))
                .containsExactly(0.5, 10.5);

        Reference.Gradients gradients = Reference.backward(
                shape, x, new double[] {1, 2, 4, 8}, null, statistics.mean(), statistics.rstd(), false);
        assertThat(gradients.dbeta()).containsExactly(5, 10);
        assertThat(gradients.dgamma()).containsExactly(3, 6);
        assertThat(gradients.dx()).containsExactly(1, 1, 4, 4);
    }

    @Test
    void knowsWhereTheFeaturesStand() {
        BatchShape first = BatchShape.channelsFirst(2, 3, 2);
        assertThat(features(first)).containsExactly(0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2);
        BatchShape last = BatchShape.channelsLast(2, 3, 2);
        assertThat(features(last)).containsExactly(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2);
        assertThat(features(BatchShape.of(2, 3))).containsExactly(0, 1, 2, 0, 1, 2);
    }

    static Object[] cases() {
        return ConformanceFiles.all().toArray();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void agreesWithPyTorchInDoublePrecision(ConformanceCase given) {
        BatchShape shape = given.shape();
        double eps = given.config().eps();
        double[] x = Reference.widen(given.x());
        boolean training = given.mode() == ConformanceCase.Mode.TRAINING;
        boolean tracked = given.config().trackRunningStatistics();
        double[] gamma = state(given, "weight");
        double[] beta = state(given, "bias");
        Reference.Statistics batch = Reference.statistics(shape, x, eps);
        boolean through = training || !tracked;
        double[] mean = through ? batch.mean() : state(given, "running_mean");
        double[] rstd = through ? batch.rstd() : Reference.rstd(state(given, "running_var"), eps);

        agrees(given, Quantity.MEAN, mean);
        agrees(given, Quantity.RSTD, rstd);
        agrees(given, Quantity.Y, Reference.transform(shape, x, gamma, beta, mean, rstd));
        Reference.Gradients gradients =
                Reference.backward(shape, x, Reference.widen(given.dy().orElseThrow()), gamma, mean, rstd, through);
        agrees(given, Quantity.DX, gradients.dx());
        agrees(given, Quantity.DWEIGHT, gradients.dgamma());
        agrees(given, Quantity.DBIAS, gradients.dbeta());
        if (training && tracked) {
            long count =
                    given.expected(Quantity.NUM_BATCHES_TRACKED).orElseThrow().longs()[0];
            double momentum = given.config().momentum().orElse(1.0 / count);
            agrees(
                    given,
                    Quantity.RUNNING_MEAN,
                    Reference.updateRunning(state(given, "running_mean"), batch.mean(), momentum));
            agrees(
                    given,
                    Quantity.RUNNING_VAR,
                    Reference.updateRunning(
                            state(given, "running_var"),
                            Reference.unbiased(batch.variance(), shape.valuesPerFeature()),
                            momentum));
        }
    }

    /** The analytic gradients against central differences of the loss Σ weights · y, in double. */
    @ParameterizedTest
    @MethodSource("shapes")
    void gradientsAgreeWithFiniteDifferences(BatchShape shape) {
        Random random = new Random(shape.hashCode());
        int elements = (int) shape.elements();
        double[] x = gaussian(random, elements);
        double[] gamma = gaussian(random, shape.c());
        double[] beta = gaussian(random, shape.c());
        double[] dy = gaussian(random, elements);
        Reference.Statistics statistics = Reference.statistics(shape, x, EPS);
        Reference.Gradients gradients =
                Reference.backward(shape, x, dy, gamma, statistics.mean(), statistics.rstd(), true);
        Offset<Double> close = within(1e-6);
        for (int i = 0; i < elements; i++) {
            int index = i;
            assertThat(gradients.dx()[i])
                    .isCloseTo(difference(step -> loss(shape, moved(x, index, step), gamma, beta, dy)), close);
        }
        for (int c = 0; c < shape.c(); c++) {
            int index = c;
            assertThat(gradients.dgamma()[c])
                    .isCloseTo(difference(step -> loss(shape, x, moved(gamma, index, step), beta, dy)), close);
            assertThat(gradients.dbeta()[c])
                    .isCloseTo(difference(step -> loss(shape, x, gamma, moved(beta, index, step), dy)), close);
        }
    }

    static Object[] shapes() {
        return new Object[] {
            BatchShape.of(7, 3),
            BatchShape.of(3, 5),
            BatchShape.channelsFirst(3, 2, 5),
            BatchShape.channelsLast(2, 3, 2, 2),
            BatchShape.channelsFirst(1, 1, 11)
        };
    }

    private static double loss(BatchShape shape, double[] x, double[] gamma, double[] beta, double[] weights) {
        Reference.Statistics statistics = Reference.statistics(shape, x, EPS);
        double[] y = Reference.transform(shape, x, gamma, beta, statistics.mean(), statistics.rstd());
        double loss = 0;
        for (int i = 0; i < y.length; i++) {
            loss += weights[i] * y[i];
        }
        return loss;
    }

    private static double difference(DoubleUnaryOperator lossAfterStep) {
        double step = 1e-5;
        return (lossAfterStep.applyAsDouble(step) - lossAfterStep.applyAsDouble(-step)) / (2 * step);
    }

    private static double[] moved(double[] values, int index, double step) {
        double[] moved = values.clone();
        moved[index] += step;
        return moved;
    }

    private static double[] gaussian(Random random, int length) {
        double[] values = new double[length];
        Arrays.setAll(values, i -> random.nextGaussian());
        return values;
    }

    private static int[] features(BatchShape shape) {
        int[] features = new int[(int) shape.elements()];
        Arrays.setAll(features, i -> Reference.feature(shape, i));
        return features;
    }

    private static double[] state(ConformanceCase given, String name) {
        return given.state(name).map(Tensor::floats).map(Reference::widen).orElse(null);
    }

    private static void agrees(ConformanceCase given, Quantity quantity, double[] actual) {
        given.expected(quantity).ifPresent(expected -> {
            double scale =
                    Arrays.stream(expected.doubles()).map(Math::abs).max().orElse(0);
            assertThat(actual)
                    .as(quantity.tensorName())
                    .usingComparatorWithPrecision(1e-11 * scale)
                    .containsExactly(expected.doubles());
        });
    }
}
