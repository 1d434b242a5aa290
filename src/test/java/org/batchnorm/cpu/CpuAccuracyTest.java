package org.batchnorm.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import org.batchnorm.conformance.ErrorBound;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.Rounded;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Both CPU backends against double precision: every kind of shape, of memory and of distribution. */
class CpuAccuracyTest {
    private static final List<BatchShape> SHAPES = List.of(
            BatchShape.of(2, 1),
            BatchShape.of(3, 1),
            BatchShape.of(1009, 1),
            BatchShape.of(2, 7),
            BatchShape.of(5, 3),
            BatchShape.of(64, 33),
            BatchShape.of(1000, 100),
            BatchShape.of(32, 128),
            BatchShape.of(9, 130),
            BatchShape.of(300, 17),
            BatchShape.of(3, 5003),
            BatchShape.of(70, 2053),
            BatchShape.of(40, 2777),
            BatchShape.of(2049, 64),
            BatchShape.of(530, 515),
            BatchShape.channelsLast(2, 6, 5, 3),
            BatchShape.channelsLast(3, 13, 11, 11),
            BatchShape.channelsLast(4, 32, 17, 19),
            BatchShape.channelsFirst(2, 3, 2),
            BatchShape.channelsFirst(5, 4, 3, 3),
            BatchShape.channelsFirst(7, 33, 2, 2),
            BatchShape.channelsFirst(9, 300, 3, 3),
            BatchShape.channelsFirst(1, 1, 31),
            BatchShape.channelsFirst(1, 5, 33),
            BatchShape.channelsFirst(6, 8, 7, 7),
            BatchShape.channelsFirst(17, 24, 7, 7),
            BatchShape.channelsFirst(3, 7, 14, 14),
            BatchShape.channelsFirst(15, 5, 11, 13),
            BatchShape.channelsFirst(1, 3, 101, 103),
            BatchShape.channelsFirst(11, 3, 47, 53),
            BatchShape.channelsFirst(2, 4, 3, 5, 37),
            BatchShape.channelsFirst(1, 1, 300_007));

    /**
     * The most values of a shape whose tensors lie in every pair of kinds of memory where the tests are to be quick.
     */
    private static final int PAIRED = 20_000;

    /** What is expected takes longer than what is tested, so both are held against the same. */
    private static final List<String> BACKENDS = List.of("vector", "scalar");

    static List<BatchShape> everyShape() {
        return SHAPES;
    }

    static BatchNormOperations open(String backend, int threads) {
        return Backends.open(Optional.of(backend), new BackendOptions(threads, Optional.empty()))
                .operations();
    }

    @ParameterizedTest
    @MethodSource("everyShape")
    void agreesWithDoublePrecision(BatchShape shape) {
        for (double[] distribution :
                new double[][] {{0, 1}, {1000, 1}, {1e5, 1}, {-3, 1e-3}, {1e30, 1e30}, {0, 1e-17}}) {
            Problem problem = new Problem(shape, distribution[0], distribution[1], 7);
            check(problem, Arrays.toString(distribution));
        }
    }

    @Test
    void outliersLeaveTheOtherValuesAccurate() {
        for (BatchShape shape :
                List.of(BatchShape.of(100_000, 3), BatchShape.of(999, 100), BatchShape.channelsFirst(9, 3, 50, 50))) {
            for (int outliers = 1; outliers < 4; outliers++) {
                Problem problem = new Problem(shape, 0, 1, 11);
                int m = (int) shape.valuesPerFeature();
                for (int c = 0; c < shape.c(); c++) {
                    for (int i = 0; i < outliers; i++) {
                        problem.x[problem.index(c, i * (m / 4))] = 1e6f;
                    }
                }
                problem.solve();
                check(problem, outliers + " outliers");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void constantFeaturesGiveBeta(String backend) {
        for (float constant : new float[] {0, 1, 1e5f, -0.1f, 3e30f}) {
            for (BatchShape shape :
                    List.of(BatchShape.of(777, 5), BatchShape.of(32, 128), BatchShape.channelsFirst(3, 2, 71))) {
                Problem problem = new Problem(shape, 0, 1, 13);
                Arrays.fill(problem.x, constant);
                problem.solve();
                float[] y = new float[problem.x.length];
                BatchStatistics statistics = new BatchStatistics(shape.c());
                problem.forward(open(backend, 2), problem.of(problem.x), problem.of(y), statistics);
                for (int c = 0; c < shape.c(); c++) {
                    assertThat(statistics.mean()[c]).isEqualTo(constant);
                    assertThat(statistics.variance()[c]).isZero();
                    assertThat(y[problem.index(c, 1)]).isEqualTo(problem.beta[c]);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("everyShape")
    void nanAndInfinityStayInTheirFeature(BatchShape shape) {
        Problem clean = new Problem(shape, 0, 1, 17);
        Problem spoiled = new Problem(shape, 0, 1, 17);
        int m = (int) shape.valuesPerFeature();
        for (int c = 0; c < shape.c(); c += 3) {
            spoiled.x[spoiled.index(c, m / 2)] = c % 2 == 0 ? Float.NaN : Float.POSITIVE_INFINITY;
            spoiled.dy[spoiled.index(c, m - 1)] = Float.NaN;
        }
        for (String backend : BACKENDS) {
            nanAndInfinityStayInTheirFeature(open(backend, 2), clean, spoiled);
        }
    }

    private static void nanAndInfinityStayInTheirFeature(
            BatchNormOperations operations, Problem clean, Problem spoiled) {
        BatchShape shape = clean.shape;
        int m = (int) shape.valuesPerFeature();
        Result expected = new Result(operations, clean);
        Result given = new Result(operations, spoiled);
        for (int c = 0; c < shape.c(); c++) {
            boolean spoilt = c % 3 == 0;
            if (spoilt) {
                assertThat(given.statistics.mean()[c])
                        .isEqualTo(Float.valueOf(c % 2 == 0 ? Float.NaN : Float.POSITIVE_INFINITY));
                assertThat(given.statistics.variance()[c]).isNaN();
                assertThat(given.dbeta[c]).isNaN();
            } else {
                assertThat(given.dgamma[c]).isEqualTo(expected.dgamma[c]);
            }
            if (spoilt) {
                for (int i = 0; i < m; i++) {
                    expected.y[clean.index(c, i)] = Float.NaN;
                    expected.dx[clean.index(c, i)] = Float.NaN;
                }
            }
        }
        assertThat(given.y).isEqualTo(expected.y);
        assertThat(given.dx).isEqualTo(expected.dx);
    }

    @ParameterizedTest
    @MethodSource("everyShape")
    void everyKindOfMemoryGivesTheSameBits(BatchShape shape) {
        everyKindOfMemoryGivesTheSameBits(shape, shape.elements() <= PAIRED);
    }

    @Tag("thorough")
    @ParameterizedTest
    @MethodSource("everyShape")
    void everyPairOfKindsOfMemoryGivesTheSameBits(BatchShape shape) {
        everyKindOfMemoryGivesTheSameBits(shape, true);
    }

    private static void everyKindOfMemoryGivesTheSameBits(BatchShape shape, boolean everyPair) {
        Problem problem = new Problem(shape, 3, 2, 19);
        for (String backend : BACKENDS) {
            everyKindOfMemoryGivesTheSameBits(open(backend, 2), problem, everyPair);
        }
    }

    private static void everyKindOfMemoryGivesTheSameBits(
            BatchNormOperations operations, Problem problem, boolean everyPair) {
        BatchShape shape = problem.shape;
        Result expected = new Result(operations, problem);
        int size = problem.x.length;
        float[] wide = new float[size + 5];
        System.arraycopy(problem.x, 0, wide, 5, size);
        try (Arena confined = Arena.ofConfined();
                Arena shared = Arena.ofShared()) {
            MemorySegment slice = MemorySegment.ofArray(wide).asSlice(5 * Float.BYTES);
            MemorySegment readOnly = MemorySegment.ofArray(problem.x).asReadOnly();
            MemorySegment ints = MemorySegment.ofArray(new int[size]);
            MemorySegment.copy(slice, 0, ints, 0, ints.byteSize());
            Batch dy = problem.of(copy(shared, problem.dy));
            List<MemorySegment> inputs =
                    List.of(slice, readOnly, ints, copy(confined, problem.x), copy(shared, problem.x));
            List<MemorySegment> outputs =
                    List.of(MemorySegment.ofArray(new float[size]), copy(confined, problem.x), copy(shared, problem.x));
            for (int i = 0; i < inputs.size(); i++) {
                Batch in = problem.of(inputs.get(i));
                int first = everyPair ? 0 : i % outputs.size();
                int end = everyPair ? outputs.size() : first + 1;
                for (MemorySegment out : outputs.subList(first, end)) {
                    Batch to = problem.of(out);
                    BatchStatistics statistics = new BatchStatistics(shape.c());
                    problem.forward(operations, in, to, statistics);
                    assertThat(out.toArray(ValueLayout.JAVA_FLOAT)).isEqualTo(expected.y);
                    problem.inference(operations, in, to, expected.mean, expected.variance);
                    assertThat(out.toArray(ValueLayout.JAVA_FLOAT)).isEqualTo(expected.inferred);
                    GradientSums sums = problem.backward(operations, new Tensors().backward(in, dy, to), statistics);
                    assertThat(out.toArray(ValueLayout.JAVA_FLOAT)).isEqualTo(expected.dx);
                    assertThat(Problem.round(sums.dgamma())).isEqualTo(expected.dgamma);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("everyShape")
    void outputsMayBeInputs(BatchShape shape) {
        Problem problem = new Problem(shape, 3, 2, 23);
        for (String backend : BACKENDS) {
            outputsMayBeInputs(open(backend, 2), problem);
        }
    }

    private static void outputsMayBeInputs(BatchNormOperations operations, Problem problem) {
        BatchShape shape = problem.shape;
        Result expected = new Result(operations, problem);
        Batch y = problem.of(problem.x.clone());
        problem.forward(operations, y, y, new BatchStatistics(shape.c()));
        assertThat(y.array()).isEqualTo(expected.y);
        Batch inferred = problem.of(problem.x.clone());
        problem.inference(operations, inferred, inferred, expected.mean, expected.variance);
        assertThat(inferred.array()).isEqualTo(expected.inferred);
        Tensors tensors = new Tensors();
        Batch dx = problem.of(problem.dy.clone());
        problem.backward(operations, tensors.backward(problem.of(problem.x), dx, dx), expected.statistics);
        assertThat(dx.array()).isEqualTo(expected.dx);
        dx = problem.of(problem.x.clone());
        problem.backward(operations, tensors.backward(dx, problem.of(problem.dy), dx), expected.statistics);
        assertThat(dx.array()).isEqualTo(expected.dx);
    }

    @Test
    void anEmptyBatchIsInferred() {
        float[] one = {1};
        for (String backend : List.of("vector", "scalar")) {
            for (BatchShape shape : List.of(BatchShape.of(0, 1), BatchShape.channelsFirst(0, 1, 100))) {
                Batch empty = Batch.of(new float[0], shape);
                open(backend, 2)
                        .transform(
                                new Tensors().forward(empty, Batch.of(new float[0], shape)),
                                new Normalization(null, null, 1e-5, BatchStatistics.over(one, one), false));
            }
        }
    }

    private static MemorySegment copy(Arena arena, float[] values) {
        return arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
    }

    private static void check(Problem problem, String what) {
        double[] rstd = problem.rstd();
        double[] y = problem.y();
        double[] dx = problem.dx();
        double[] frozenDx = problem.dxOfFrozen();
        BatchShape shape = problem.shape;
        double[] roundedMean = Rounded.mean(shape, problem.variance);
        // Of two values nothing but a multiple of eps is left.
        double[] roundedDx = shape.valuesPerFeature() > 2 ? Rounded.nothing(dx.length) : problem.roundedDx();
        for (String backend : BACKENDS) {
            Result result = new Result(open(backend, 2), problem);
            String of = backend + " " + shape + " " + what + ": ";
            assertEachClose(of + "rstd", shape, result.statistics.rstd(), rstd);
            assertEachClose(of + "y", shape, result.y, y);
            assertEachClose(of + "frozen dx", shape, result.frozenDx, frozenDx);
            assertClose(of + "mean", result.statistics.mean(), problem.mean, roundedMean);
            assertClose(of + "variance", result.statistics.variance(), problem.variance);
            assertClose(of + "inference", result.inferred, problem.y(result.mean, result.variance));
            assertClose(of + "dx", result.dx, dx, roundedDx);
            assertClose(of + "dgamma", result.dgamma, problem.dgamma);
            assertClose(of + "dbeta", result.dbeta, problem.dbeta);
        }
    }

    private static void assertEachClose(String what, BatchShape shape, float[] given, double[] expected) {
        double[] rounded = Rounded.nothing(expected.length);
        assertThat(ErrorBound.checkEachFeature(Quantity.Y, shape, given, expected, rounded)
                        .message())
                .as(what)
                .isEmpty();
    }

    private static void assertClose(String what, float[] given, double[] expected) {
        assertClose(what, given, expected, Rounded.nothing(expected.length));
    }

    /** One bound for all features: in each by its own, terms that cancel cost some digits yet. */
    private static void assertClose(String what, float[] given, double[] expected, double[] rounded) {
        assertThat(ErrorBound.check(Quantity.Y, given, expected, rounded, OptionalDouble.empty())
                        .message())
                .as(what)
                .isEmpty();
    }

    /** What a backend makes of a problem. */
    static final class Result {
        final float[] y;
        final float[] inferred;
        final float[] dx;
        final float[] frozenDx;
        final float[] dgamma;
        final float[] dbeta;
        final float[] mean;
        final float[] variance;
        final BatchStatistics statistics;

        Result(BatchNormOperations operations, Problem problem) {
            BatchShape shape = problem.shape;
            Batch x = problem.of(problem.x);
            Batch dy = problem.of(problem.dy);
            Tensors tensors = new Tensors();
            statistics = new BatchStatistics(shape.c());
            y = new float[problem.x.length];
            problem.forward(operations, x, problem.of(y), statistics);
            mean = new float[shape.c()];
            variance = new float[shape.c()];
            for (int c = 0; c < shape.c(); c++) {
                mean[c] = 1.25f * c;
                variance[c] = 0.5f + c;
            }
            inferred = new float[y.length];
            problem.inference(operations, x, problem.of(inferred), mean, variance);
            frozenDx = new float[y.length];
            problem.frozenBackward(operations, tensors.backward(x, dy, problem.of(frozenDx)), problem.statistics());
            dx = new float[y.length];
            GradientSums sums = problem.backward(operations, tensors.backward(x, dy, problem.of(dx)), statistics);
            assertThat(sums.count()).isEqualTo(shape.valuesPerFeature());
            dgamma = Problem.round(sums.dgamma());
            dbeta = Problem.round(sums.dbeta());
        }
    }
}
