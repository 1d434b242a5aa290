package org.batchnorm.float64;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Optional;
import java.util.stream.Stream;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.data.FeatureValues;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The operations of the CPU backends on FLOAT64, whole and in stages, against exact results. */
class OperationsTest {
    private static final int SEED = 64;

    /** A few values, as exact results take their time. */
    static Stream<BatchShape> smallShapes() {
        return Stream.of(
                BatchShape.of(2, 3),
                BatchShape.of(3, 1),
                BatchShape.of(5, 300),
                BatchShape.of(133, 3),
                BatchShape.channelsFirst(1, 5, 3),
                BatchShape.channelsFirst(5, 7, 13),
                BatchShape.channelsFirst(2, 2, 301),
                BatchShape.channelsLast(5, 7, 13));
    }

    /** Of every kind of block. */
    static Stream<BatchShape> shapes() {
        return Stream.of(
                BatchShape.of(61, 200),
                BatchShape.of(4, 1021),
                BatchShape.of(1009, 3),
                BatchShape.of(4099, 1),
                BatchShape.of(700, 130),
                BatchShape.channelsFirst(4, 3, 31, 33),
                BatchShape.channelsFirst(1, 2, 9001),
                BatchShape.channelsFirst(20, 3, 70),
                BatchShape.channelsFirst(150, 16, 7, 7),
                BatchShape.channelsFirst(5, 3, 5003),
                BatchShape.channelsLast(4, 3, 31, 33),
                BatchShape.channelsLast(2, 45, 1000));
    }

    @ParameterizedTest
    @MethodSource("smallShapes")
    void everyQuantityIsWithinTheBar(BatchShape shape) {
        Inputs in = Inputs.random(shape, SEED);
        run("scalar", 1, in).isWithinBar(in);
        Inputs far = Inputs.random(shape, SEED, 1e9, 1);
        run("vector", 1, far).isWithinBar(far);
        Inputs given = in.withGivenStatistics(SEED);
        run("vector", 1, given).isWithinBar(given);
    }

    /** Whose threads each take a group of features through all passes, or some numbers of threads do. */
    static Stream<BatchShape> shapesInGroups() {
        return Stream.of(
                BatchShape.of(4, 2100),
                BatchShape.of(40, 2777),
                BatchShape.channelsFirst(2, 9, 50_000),
                BatchShape.channelsFirst(33, 9, 1700));
    }

    @Tag("thorough")
    @ParameterizedTest
    @MethodSource("shapes")
    void everyQuantityOfMoreValuesIsWithinTheBar(BatchShape shape) {
        everyQuantityIsWithinTheBar(shape);
    }

    @ParameterizedTest
    @MethodSource({"shapes", "smallShapes", "shapesInGroups"})
    void theBitsDependNeitherOnTheThreadsNorOnTheBackend(BatchShape shape) {
        Inputs in = Inputs.random(shape, SEED);
        Outputs first = run("scalar", 1, in);
        run("scalar", 2, in).isBitwise(first);
        run("vector", 5, in).isBitwise(first);
    }

    @ParameterizedTest
    @MethodSource({"shapes", "smallShapes", "shapesInGroups"})
    void theStagesAreTheOperations(BatchShape shape) {
        Inputs in = Inputs.random(shape, SEED, 1e9, 1);
        stages("vector", in).isBitwise(run("vector", 2, in));
    }

    private static Outputs run(String backend, int threads, Inputs in) {
        try (BatchNormOperations operations = open(backend, threads)) {
            Outputs out = new Outputs();
            Normalization n = normalization(in);
            Tensors tensors = new Tensors(in.activations());
            double[] y = new double[in.x().length];
            tensors.forward(Batch.of(in.x(), in.shape()), Batch.of(y, in.shape()));
            if (in.ofBatch()) {
                operations.forward(tensors, n);
            } else {
                operations.transform(tensors, n);
            }
            double[] dx = new double[y.length];
            GradientSums sums = new GradientSums(in.shape().c());
            tensors.backward(Batch.of(in.x(), in.shape()), Batch.of(in.dy(), in.shape()), Batch.of(dx, in.shape()));
            operations.backward(tensors, n, sums);
            return take(out, y, dx, n, sums);
        }
    }

    static Outputs stages(String backend, Inputs in) {
        try (BatchNormOperations operations = open(backend, 2)) {
            Normalization n = normalization(in);
            Tensors tensors = new Tensors(in.activations());
            double[] y = new double[in.x().length];
            Moments moments = new Moments(in.shape().c());
            operations.collectStatistics(tensors.collect(Batch.of(in.x(), in.shape())), moments);
            Moments merged = new Moments(in.shape().c());
            merged.add(moments);
            n.statistics().set(merged, in.eps());
            operations.transform(tensors.forward(Batch.of(in.x(), in.shape()), Batch.of(y, in.shape())), n);
            double[] dx = new double[y.length];
            GradientSums sums = new GradientSums(in.shape().c());
            tensors.backward(Batch.of(in.x(), in.shape()), Batch.of(in.dy(), in.shape()), Batch.of(dx, in.shape()));
            operations.reduceGradients(tensors, n, sums);
            operations.inputGradient(tensors, n, sums);
            return take(new Outputs(), y, dx, n, sums);
        }
    }

    private static Outputs take(Outputs out, double[] y, double[] dx, Normalization n, GradientSums sums) {
        out.y = y;
        out.dx = dx;
        out.mean = n.statistics().doubleMean().clone();
        out.variance = n.statistics().doubleVariance().clone();
        out.rstd = n.statistics().doubleRstd().clone();
        out.dgamma = sums.dgamma();
        out.dbeta = sums.dbeta();
        return out;
    }

    private static Normalization normalization(Inputs in) {
        BatchStatistics statistics = new BatchStatistics(in.shape().c(), ElementType.FLOAT64);
        if (in.mean() != null && in.variance() != null) {
            statistics.set(FeatureValues.of(in.mean()), FeatureValues.of(in.variance()), in.eps());
        }
        return Normalization.of(values(in.gamma()), values(in.beta()), in.eps(), statistics, in.ofBatch());
    }

    private static @Nullable FeatureValues values(double @Nullable [] values) {
        return values == null ? null : FeatureValues.of(values);
    }

    private static BatchNormOperations open(String backend, int threads) {
        BatchNormOperations operations = Backends.open(
                        Optional.of(backend), new BackendOptions(threads, Optional.empty()))
                .operations();
        assertThat(operations.takesFloat64()).isTrue();
        return operations;
    }
}
