package org.batchnorm.spi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.Stream;
import org.batchnorm.Values;
import org.batchnorm.conformance.ErrorBound;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.Reference;
import org.batchnorm.conformance.Rounded;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The stages of an operation, one by one and with parts of a batch merged between them, against double precision. */
class StagesTest {
    private static final double EPS = 1e-5;

    static Stream<Arguments> everyCase() {
        return Stream.of("vector", "scalar", "reference")
                .flatMap(backend -> Stream.of(
                                BatchShape.of(2, 5),
                                BatchShape.of(64, 33),
                                BatchShape.of(1000, 100),
                                BatchShape.channelsFirst(4, 7, 5, 11),
                                BatchShape.channelsFirst(2, 3, 40, 50),
                                BatchShape.channelsLast(4, 7, 5, 11))
                        .map(shape -> Arguments.of(backend, shape)));
    }

    private static BatchNormOperations open(String backend) {
        return backend.equals("reference")
                ? new ReferenceBackend().open(new BackendOptions(1, Optional.empty()))
                : Backends.open(Optional.of(backend), new BackendOptions(2, Optional.empty()))
                        .operations();
    }

    @ParameterizedTest
    @MethodSource("everyCase")
    void stagesGiveTheWholeOperation(String backend, BatchShape shape) {
        Values in = Values.random(shape, 1, 3, 2);
        Problem expected = new Problem(in);
        BatchNormOperations operations = open(backend);
        Batch x = Batch.of(in.x(), shape);
        Batch dy = Batch.of(in.dy(), shape);
        Batch y = empty(shape);
        Batch dx = empty(shape);
        BatchStatistics statistics = new BatchStatistics(shape.c());
        Normalization through = new Normalization(in.weight(), in.bias(), EPS, statistics, true);
        Normalization given = new Normalization(in.weight(), in.bias(), EPS, statistics, false);
        Tensors tensors = new Tensors();

        Moments moments = new Moments(shape.c());
        operations.collectStatistics(tensors.collect(x), moments);
        assertThat(moments.count()).isEqualTo(shape.valuesPerFeature());
        statistics.set(moments, EPS);
        operations.transform(tensors.forward(x, y), through);
        check(Quantity.MEAN, statistics.mean(), expected.mean);
        check(Quantity.RSTD, statistics.rstd(), expected.rstd);
        check(Quantity.Y, y.array(), expected.y);
        operations.transform(tensors.forward(x, y), given);
        check(Quantity.Y, y.array(), expected.y);

        GradientSums sums = new GradientSums(shape.c());
        operations.reduceGradients(tensors.backward(x, dy, dx), through, sums);
        assertThat(sums.count()).isEqualTo(shape.valuesPerFeature());
        assertThat(dx.array()).containsOnly(0);
        operations.inputGradient(tensors.backward(x, dy, dx), through, sums);
        check(Quantity.DX, dx.array(), expected.dx);
        operations.reduceGradients(tensors.backward(x, dy, dx), given, sums);
        operations.inputGradient(tensors.backward(x, dy, dx), given, sums);
        check(Quantity.DX, dx.array(), expected.frozenDx);
    }

    /** The difference of a value and the mean overflows float32, the result does not. */
    @ParameterizedTest
    @ValueSource(strings = {"scalar", "vector"})
    void valuesMayBeFartherApartThanFloat32Reaches(String backend) {
        BatchShape shape = BatchShape.of(16, 2);
        Values in = Values.random(shape, 4);
        for (int i = 0; i < 16; i++) {
            in.x()[2 * i] = i == 7 ? 3e38f : -3e38f;
        }
        Problem expected = new Problem(in);
        BatchNormOperations operations = open(backend);
        Batch x = Batch.of(in.x(), shape);
        Batch y = empty(shape);
        Batch dx = empty(shape);
        BatchStatistics statistics = new BatchStatistics(shape.c());
        Normalization through = new Normalization(in.weight(), in.bias(), EPS, statistics, true);
        Tensors tensors = new Tensors();
        Moments moments = new Moments(shape.c());
        GradientSums sums = new GradientSums(shape.c());

        operations.collectStatistics(tensors.collect(x), moments);
        statistics.set(moments, EPS);
        operations.transform(tensors.forward(x, y), through);
        operations.reduceGradients(tensors.backward(x, Batch.of(in.dy(), shape), dx), through, sums);
        operations.inputGradient(tensors.backward(x, Batch.of(in.dy(), shape), dx), through, sums);

        check(Quantity.Y, y.array(), expected.y);
        check(Quantity.DX, dx.array(), expected.dx);
    }

    /** As on two machines: each has half of the samples, the statistics and the sums are those of all. */
    @ParameterizedTest
    @MethodSource("everyCase")
    void partsOfABatchAreMergedBetweenTheStages(String backend, BatchShape shape) {
        Values in = Values.random(shape, 2, -100, 1);
        Problem expected = new Problem(in);
        BatchNormOperations operations = open(backend);
        BatchShape half = new BatchShape(shape.n() / 2, shape.c(), shape.spatial(), shape.layout());
        int values = (int) half.elements();
        Moments moments = new Moments(shape.c());
        Moments ofPart = new Moments(shape.c());
        Tensors tensors = new Tensors();
        for (int part = 0; part < 2; part++) {
            if (half.valuesPerFeature() > 1) {
                operations.collectStatistics(tensors.collect(part(in.x(), part, half)), ofPart);
            } else {
                ofPart.clear();
                ofPart.count(1);
                for (int c = 0; c < shape.c(); c++) {
                    ofPart.mean()[c] = in.x()[part * values + c];
                }
            }
            moments.add(ofPart);
        }
        BatchStatistics statistics = new BatchStatistics(shape.c());
        statistics.set(moments, EPS);
        Normalization through = new Normalization(in.weight(), in.bias(), EPS, statistics, true);

        float[] y = new float[2 * values];
        float[] dx = new float[2 * values];
        GradientSums sums = new GradientSums(shape.c());
        GradientSums sumsOfPart = new GradientSums(shape.c());
        for (int part = 0; part < 2; part++) {
            Batch yPart = empty(half);
            operations.transform(tensors.forward(part(in.x(), part, half), yPart), through);
            System.arraycopy(yPart.array(), 0, y, part * values, values);
            tensors.backward(part(in.x(), part, half), part(in.dy(), part, half), yPart);
            operations.reduceGradients(tensors, through, sumsOfPart);
            sums.add(sumsOfPart);
        }
        assertThat(sums.count()).isEqualTo(shape.valuesPerFeature());
        for (int part = 0; part < 2; part++) {
            Batch dxPart = empty(half);
            tensors.backward(part(in.x(), part, half), part(in.dy(), part, half), dxPart);
            operations.inputGradient(tensors, through, sums);
            System.arraycopy(dxPart.array(), 0, dx, part * values, values);
        }
        check(Quantity.MEAN, statistics.mean(), expected.mean);
        check(Quantity.RSTD, statistics.rstd(), expected.rstd);
        check(Quantity.Y, y, expected.y);
        check(Quantity.DX, dx, expected.dx);
    }

    /**
     * Of parts whose moments are known dgamma keeps its digits, whatever the mean of dy. Of those whose are not, dy is
     * summed as it is.
     */
    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void knownMomentsOfAPartKeepTheDigitsOfDgamma(String backend) {
        BatchShape shape = BatchShape.of(6000, 5);
        Values in = Values.random(shape, 6, 3, 2);
        for (int i = 0; i < in.x().length; i++) {
            in.x()[i] += i < in.x().length / 2 ? 0 : 4;
            in.dy()[i] += 1e4f;
        }
        double[] known = errorsOfDgamma(backend, in, true);
        double[] unknown = errorsOfDgamma(backend, in, false);
        for (int c = 0; c < 5; c++) {
            assertThat(known[c]).as("share of the bar, feature %d", c).isLessThan(1);
        }
        assertThat(Arrays.stream(unknown).max().orElseThrow()).isGreaterThan(2);
    }

    /** The errors of dgamma from two halves, as shares of what the bar allows. */
    private static double[] errorsOfDgamma(String backend, Values in, boolean known) {
        BatchShape shape = in.shape();
        BatchShape half = BatchShape.of(shape.n() / 2, shape.c());
        Tensors tensors = new Tensors();
        Moments[] moments = {new Moments(shape.c()), new Moments(shape.c())};
        Moments ofAll = new Moments(shape.c());
        GradientSums sums = new GradientSums(shape.c());
        GradientSums ofPart = new GradientSums(shape.c());
        BatchStatistics statistics = new BatchStatistics(shape.c());
        Normalization through = new Normalization(in.weight(), in.bias(), EPS, statistics, true);
        try (BatchNormOperations operations = open(backend)) {
            for (int part = 0; part < 2; part++) {
                operations.collectStatistics(tensors.collect(part(in.x(), part, half)), moments[part]);
                ofAll.add(moments[part]);
            }
            statistics.set(ofAll, EPS);
            for (int part = 0; part < 2; part++) {
                if (known) {
                    statistics.setPart(moments[part]);
                }
                tensors.reduce(part(in.x(), part, half), part(in.dy(), part, half));
                operations.reduceGradients(tensors, through, ofPart);
                sums.add(ofPart);
            }
        }
        double[] x = Reference.widen(in.x());
        double[] dy = Reference.widen(in.dy());
        Reference.Statistics exact = Reference.statistics(shape, x, EPS);
        double[] dgamma = Reference.backward(shape, x, dy, null, exact.mean(), exact.rstd(), true)
                .dgamma();
        double[] rounded = Rounded.gradients(shape, x, dy, null, exact.mean(), exact.rstd(), true)
                .dgamma();
        double[] errors = new double[shape.c()];
        for (int c = 0; c < errors.length; c++) {
            double allowed = 8 * 0x1p-24 * Math.max(Math.abs(dgamma[c]), rounded[c]);
            errors[c] = Math.abs(sums.dgamma()[c] - dgamma[c]) / allowed;
        }
        return errors;
    }

    @Test
    void theMomentsOfAPartAreKeptUntilTheyAreForgotten() {
        BatchStatistics statistics = new BatchStatistics(1);
        assertThat(statistics.part()).isNull();
        Moments moments = moments(new double[] {1, 4});
        statistics.setPart(moments);
        moments.clear();
        assertThat(statistics.part().count()).isEqualTo(2);
        assertThat(statistics.part().mean()).containsExactly(2.5);
        statistics.clearPart();
        assertThat(statistics.part()).isNull();
    }

    /** On a machine without a sample, say: its part of the merge is nothing. */
    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void aPartWithoutValuesAddsNothing(String backend) {
        BatchShape shape = BatchShape.channelsFirst(4, 3, 5);
        Values in = Values.random(shape, 4);
        BatchNormOperations operations = open(backend);
        Tensors tensors = new Tensors();
        BatchStatistics statistics = new BatchStatistics(3);
        Normalization through = new Normalization(in.weight(), in.bias(), EPS, statistics, true);
        Moments moments = new Moments(3);
        GradientSums sums = new GradientSums(3);
        Batch x = Batch.of(in.x(), shape);
        operations.collectStatistics(tensors.collect(x), moments);
        statistics.set(moments, EPS);
        operations.reduceGradients(tensors.backward(x, Batch.of(in.dy(), shape), empty(shape)), through, sums);
        double[] mean = moments.mean().clone();
        double[] dgamma = sums.dgamma().clone();
        float[] rstd = statistics.rstd().clone();

        Moments none = new Moments(3);
        GradientSums noSums = new GradientSums(3);
        for (BatchShape empty : new BatchShape[] {BatchShape.of(0, 3), BatchShape.channelsFirst(2, 3, 0)}) {
            none.add(moments);
            noSums.add(sums);
            Batch nothing = empty(empty);
            operations.collectStatistics(tensors.collect(nothing), none);
            assertThat(none.count()).isZero();
            assertThat(none.mean()).containsOnly(0);
            assertThat(none.m2()).containsOnly(0);
            moments.add(none);
            assertThat(moments.count()).isEqualTo(20);
            assertThat(moments.mean()).isEqualTo(mean);
            statistics.set(none, EPS);
            operations.forward(tensors.forward(nothing, nothing), through);
            operations.transform(tensors.forward(nothing, nothing), through);
            assertThat(statistics.rstd()).isEqualTo(rstd);
            operations.reduceGradients(tensors.backward(nothing, nothing, nothing), through, noSums);
            assertThat(noSums.count()).isZero();
            assertThat(noSums.dgamma()).containsOnly(0);
            sums.add(noSums);
            operations.inputGradient(tensors.backward(nothing, nothing, nothing), through, sums);
            noSums.add(sums);
            operations.backward(tensors.backward(nothing, nothing, nothing), through, noSums);
            assertThat(noSums.dbeta()).containsOnly(0);
        }
        assertThat(sums.count()).isEqualTo(20);
        assertThat(sums.dgamma()).isEqualTo(dgamma);
    }

    /** A backend that has stages only. */
    @Test
    void aBackendMayLeaveTheWholeOperationsToTheInterface() {
        BatchShape shape = BatchShape.of(16, 3);
        Values in = Values.random(shape, 3);
        Problem expected = new Problem(in);
        Batch y = empty(shape);
        Batch dx = empty(shape);
        Normalization normalization = new Normalization(in.weight(), in.bias(), EPS, new BatchStatistics(3), true);
        Tensors tensors = new Tensors();
        GradientSums sums = new GradientSums(3);
        try (BatchNormOperations operations = open("reference")) {
            assertThat(operations.prefers(shape)).isTrue();
            operations.forward(tensors.forward(Batch.of(in.x(), shape), y), normalization);
            operations.backward(
                    tensors.backward(Batch.of(in.x(), shape), Batch.of(in.dy(), shape), dx), normalization, sums);
        }
        check(Quantity.Y, y.array(), expected.y);
        check(Quantity.DX, dx.array(), expected.dx);
    }

    @Test
    void momentsOfAnyPartsAreThoseOfTheWhole() {
        double[] values = {3, -1, 4, 1, -5, 9, 2, 6};
        Moments whole = moments(values);
        for (int cut = 0; cut <= values.length; cut++) {
            Moments merged = moments(Arrays.copyOf(values, cut));
            merged.add(moments(Arrays.copyOfRange(values, cut, values.length)));
            assertThat(merged.count()).isEqualTo(8);
            assertThat(merged.mean()).usingComparatorWithPrecision(1e-14).containsExactly(whole.mean());
            assertThat(merged.m2()).usingComparatorWithPrecision(1e-12).containsExactly(whole.m2());
        }
        whole.clear();
        assertThat(whole.count()).isZero();
        assertThat(whole.mean()).containsOnly(0);
        assertThat(whole.m2()).containsOnly(0);
    }

    private static Moments moments(double[] values) {
        Moments moments = new Moments(1);
        for (double value : values) {
            Moments one = new Moments(1);
            one.count(1);
            one.mean()[0] = value;
            moments.add(one);
        }
        return moments;
    }

    @Test
    void partsOfOtherFeaturesAreNotMerged() {
        assertThatThrownBy(() -> new Moments(2).add(new Moments(3)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("other: moments of 3 features given, must have the 2 of these");
        assertThatThrownBy(() -> new GradientSums(2).add(new GradientSums(3)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("other: sums of 3 features given, must have the 2 of these");
        GradientSums sums = new GradientSums(1);
        sums.dgamma()[0] = 1;
        sums.dbeta()[0] = 1;
        sums.count(4);
        sums.clear();
        assertThat(sums.count()).isZero();
        assertThat(sums.dgamma()).containsOnly(0);
        assertThat(sums.dbeta()).containsOnly(0);
    }

    @Test
    void tensorsAreThoseOfTheOperation() {
        BatchShape shape = BatchShape.of(2, 3);
        Batch x = empty(shape);
        Batch other = empty(shape);
        Tensors tensors = new Tensors().forward(x, x).withResidual(other, null);
        assertThat(tensors.residual()).isSameAs(other);
        assertThat(tensors.dresidual()).isNull();
        assertThat(tensors.shape()).isEqualTo(shape);
        assertThatThrownBy(tensors::dy).hasMessage("the operation has no dy");
        Tensors some = tensors.samples(1, 1);
        assertThat(some.shape()).isEqualTo(BatchShape.of(1, 3));
        assertThat(some.y().array()).isSameAs(x.array());
        assertThat(some.y().start()).isEqualTo(3);
        assertThat(some.residual().array()).isSameAs(other.array());
        assertThat(some.dresidual()).isNull();
        assertThatThrownBy(some::dx).hasMessage("the operation has no dx");
        assertThat(tensors.reduce(x, other).dy()).isSameAs(other);
        Tensors gradient = tensors.backward(x, other, x, x, other).samples(0, 1);
        assertThat(gradient.y().array()).isSameAs(other.array());
        assertThat(gradient.dresidual().array()).isSameAs(other.array());
        assertThat(gradient.residual()).isNull();
        assertThat(tensors.collect(x).residual()).isNull();
        assertThatThrownBy(tensors::y).hasMessage("the operation has no y");
        tensors.clear();
        assertThatThrownBy(tensors::x).hasMessage("the operation has no x");
        assertThatThrownBy(tensors::dx).hasMessage("the operation has no dx");
    }

    private static Batch part(float[] values, int part, BatchShape half) {
        int length = (int) half.elements();
        return Batch.of(Arrays.copyOfRange(values, part * length, (part + 1) * length), half);
    }

    private static Batch empty(BatchShape shape) {
        return Batch.of(new float[(int) shape.elements()], shape);
    }

    private static void check(Quantity quantity, float[] actual, double[] expected) {
        assertThat(ErrorBound.check(quantity, actual, expected, OptionalDouble.empty())
                        .message())
                .isEmpty();
    }

    /** What is expected. */
    private static final class Problem {
        final double[] mean;
        final double[] rstd;
        final double[] y;
        final double[] dx;
        final double[] frozenDx;

        Problem(Values in) {
            double[] x = Reference.widen(in.x());
            double[] dy = Reference.widen(in.dy());
            double[] gamma = Reference.widen(in.weight());
            double[] beta = Reference.widen(in.bias());
            Reference.Statistics statistics = Reference.statistics(in.shape(), x, EPS);
            mean = statistics.mean();
            rstd = statistics.rstd();
            y = Reference.transform(in.shape(), x, gamma, beta, mean, rstd);
            dx = Reference.backward(in.shape(), x, dy, gamma, mean, rstd, true).dx();
            frozenDx = Reference.backward(in.shape(), x, dy, gamma, mean, rstd, false)
                    .dx();
        }
    }
}
