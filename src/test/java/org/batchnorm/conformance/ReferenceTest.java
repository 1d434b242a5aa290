package org.batchnorm.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Random;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.DoubleStream;
import org.assertj.core.data.Offset;
import org.batchnorm.Near;
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

    /** The mean of x is no double, and dy's is large: Σ dy · x̂ keeps no digit of dgamma. */
    @Test
    void aLargeMeanOfTheGradientCostsNoDigits() {
        // x = 0, 1, 1 and dy = −1, −1, 2 but for their means: variance 2/9, x̂ = −√2, 1/√2, 1/√2, dgamma = 3/√2.
        BatchShape shape = BatchShape.of(3, 1);
        double far = 0x1p24;
        double[] x = {far, far + 1, far + 1};
        double large = 0x1p30;
        double[] dy = {large - 1, large - 1, large + 2};
        Reference.Statistics statistics = Reference.statistics(shape, x, 0);
        Reference.Gradients gradients =
                Reference.backward(shape, x, dy, null, statistics.mean(), statistics.rstd(), true);
        double rstd = 3 / Math.sqrt(2);
        assertThat(statistics.rstd()[0]).isCloseTo(rstd, within(1e-8));
        assertThat(gradients.dgamma()[0]).isCloseTo(3 / Math.sqrt(2), within(1e-7));
        assertThat(gradients.dbeta()[0]).isEqualTo(3 * large);
        assertThat(gradients.dx()[0]).isCloseTo(0, within(1e-7));
        assertThat(gradients.dx()[1]).isCloseTo(-1.5 * rstd, within(1e-7));
        assertThat(gradients.dx()[2]).isCloseTo(1.5 * rstd, within(1e-7));
    }

    @Test
    void theMeanTakesOutWhatItsFirstSumLost() {
        double[] x = new double[1000];
        Arrays.fill(x, 0.1);
        assertThat(Arrays.stream(x).reduce(0, Double::sum)).isNotEqualTo(100);
        assertThat(Reference.mean(BatchShape.of(1000, 1), x)).containsExactly(0.1);
        assertThat(Reference.mean(BatchShape.of(2, 1), new double[] {1, Double.POSITIVE_INFINITY}))
                .containsExactly(Double.POSITIVE_INFINITY);
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
        return ConformanceFiles.ofPyTorch().toArray();
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
        double[] dy = Reference.widen(given.dy().orElseThrow());
        Reference.Gradients gradients = Reference.backward(shape, x, dy, gamma, mean, rstd, through);
        Reference.Gradients rounded = Rounded.gradients(shape, x, dy, gamma, mean, rstd, through);
        agrees(given, Quantity.DX, gradients.dx(), rounded.dx());
        agrees(given, Quantity.DWEIGHT, gradients.dgamma(), rounded.dgamma());
        agrees(given, Quantity.DBIAS, gradients.dbeta(), rounded.dbeta());
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
        Random random = new Random(shape.toString().hashCode());
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
        agrees(given, quantity, actual, Rounded.nothing(actual.length));
    }

    /** PyTorch rounds too: where terms cancel, it is no closer than a rounding of them. */
    private static void agrees(ConformanceCase given, Quantity quantity, double[] actual, double[] rounded) {
        given.expected(quantity).ifPresent(expected -> {
            double scale = DoubleStream.concat(Arrays.stream(expected.doubles()), Arrays.stream(rounded))
                    .map(Math::abs)
                    .max()
                    .orElse(0);
            Near.assertNear(quantity.tensorName(), actual, expected.doubles(), 1e-11 * scale);
        });
    }
}
