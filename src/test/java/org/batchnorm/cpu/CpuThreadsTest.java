package org.batchnorm.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.batchnorm.conformance.ErrorBound;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.Reference;
import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Threads change nothing in the results, and do no harm. */
class CpuThreadsTest {
    private static final List<BatchShape> SHAPES = List.of(
            BatchShape.of(5000, 37),
            BatchShape.of(3, 100_003),
            BatchShape.of(700, 300),
            BatchShape.of(200, 1100),
            BatchShape.channelsLast(9, 20, 33, 33),
            BatchShape.channelsFirst(40, 600, 3, 3),
            BatchShape.channelsFirst(13, 17, 31, 33),
            BatchShape.channelsFirst(1, 2, 300, 301));

    static Stream<Arguments> everyShape() {
        return Stream.of("vector", "scalar")
                .flatMap(backend -> SHAPES.stream().map(shape -> Arguments.of(backend, shape)));
    }

    @ParameterizedTest
    @MethodSource("everyShape")
    void resultsDoNotDependOnTheNumberOfThreads(String backend, BatchShape shape) {
        Problem problem = new Problem(shape, 1, 2, 29);
        CpuAccuracyTest.Result alone = new CpuAccuracyTest.Result(CpuAccuracyTest.open(backend, 1), problem);
        for (int threads = 2; threads <= 7; threads++) {
            assertSame(new CpuAccuracyTest.Result(CpuAccuracyTest.open(backend, threads), problem), alone);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void whatIsNotFiniteOrFarOffDoesNotDependOnTheNumberOfThreads(String backend) {
        Problem problem = new Problem(BatchShape.of(100, 1100), 1, 2, 41);
        problem.x[problem.index(3, 50)] = Float.NaN;
        problem.x[problem.index(1000, 99)] = Float.NEGATIVE_INFINITY;
        problem.dy[problem.index(4, 50)] = Float.NaN;
        problem.dy[problem.index(700, 0)] = Float.POSITIVE_INFINITY;
        for (int i = 0; i < 100; i++) {
            problem.x[problem.index(500, i)] = i % 25 == 0 ? 1e30f : 1;
            problem.x[problem.index(1001, i)] *= 1e-25f;
        }
        CpuAccuracyTest.Result alone = new CpuAccuracyTest.Result(CpuAccuracyTest.open(backend, 1), problem);
        for (int threads = 2; threads <= 5; threads++) {
            assertSame(new CpuAccuracyTest.Result(CpuAccuracyTest.open(backend, threads), problem), alone);
        }
    }

    /** Of each three features one is out of float32's range at one end, and one at the other. */
    @ParameterizedTest
    @MethodSource("everyShape")
    void whatIsDoneAgainInDoublePrecisionDoesNotDependOnTheNumberOfThreads(String backend, BatchShape shape) {
        Problem problem = new Problem(shape, 1, 2, 61);
        for (int i = 0; i < problem.x.length; i++) {
            int feature = Reference.feature(shape, i);
            problem.x[i] *= feature % 3 == 0 ? 1e-25f : feature % 3 == 1 ? 1e36f : 1;
            problem.dy[i] *= feature % 5 == 0 ? 1e35f : 1;
        }
        problem.solve();
        CpuAccuracyTest.Result alone = new CpuAccuracyTest.Result(CpuAccuracyTest.open(backend, 1), problem);
        assertThat(ErrorBound.checkEachFeature(Quantity.Y, shape, alone.y, problem.y(), new double[alone.y.length])
                        .message())
                .isEmpty();
        if (shape.valuesPerFeature() > 3) {
            // Of three values most of the gradient cancels, here as where nothing is extreme.
            assertThat(ErrorBound.checkEachFeature(Quantity.DX, shape, alone.dx, problem.dx(), problem.roundedDx())
                            .message())
                    .isEmpty();
        }
        for (int threads = 2; threads <= 5; threads++) {
            assertSame(new CpuAccuracyTest.Result(CpuAccuracyTest.open(backend, threads), problem), alone);
        }
    }

    /** What is far off is read a second time, which must be before any thread overwrites it. */
    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void whatIsFarOffMayBeNormalizedInPlaceByAnyNumberOfThreads(String backend) {
        Problem problem = new Problem(BatchShape.of(64, 1024), 1, 2, 59);
        for (int i = 0; i < problem.x.length; i++) {
            problem.x[i] *= 1e-25f;
        }
        float[] expected = new CpuAccuracyTest.Result(CpuAccuracyTest.open(backend, 1), problem).y;
        for (int i = 0; i < 100; i++) {
            BatchNormOperations operations = CpuAccuracyTest.open(backend, 2 + i % 3);
            float[] values = problem.x.clone();
            Batch batch = problem.of(MemorySegment.ofArray(values));
            BatchStatistics statistics = new BatchStatistics(1024);
            problem.forward(operations, batch, batch, statistics);
            assertThat(values).isEqualTo(expected);
            try (Arena shared = Arena.ofShared()) {
                MemorySegment x = shared.allocateFrom(ValueLayout.JAVA_FLOAT, problem.x);
                MemorySegment y = x.asSlice(0);
                problem.forward(operations, problem.of(x), problem.of(y), statistics);
                assertThat(y.toArray(ValueLayout.JAVA_FLOAT)).isEqualTo(expected);
            }
        }
    }

    @Tag("thorough")
    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void groupsOfChannelsGiveWhatTheWholeBatchGives(String backend) {
        for (BatchShape shape :
                List.of(BatchShape.channelsFirst(30, 70, 61, 66), BatchShape.channelsFirst(2, 33, 401, 331))) {
            Cut cut = Cut.of(shape);
            assertThat(CutPolicy.groups(cut, 1, 3)).isGreaterThan(3);
            assertThat(CutPolicy.groups(cut, 2, 3)).isGreaterThan(3);
            assertThat(CutPolicy.groups(cut, 1, 20)).isZero();
            assertThat(CutPolicy.groups(cut, 2, 20)).isZero();
            Problem problem = new Problem(shape, 1, 2, 43);
            problem.x[problem.index(3, 50)] = Float.NaN;
            problem.dy[problem.index(4, 50)] = Float.POSITIVE_INFINITY;
            for (int i = 0; i < shape.valuesPerFeature(); i++) {
                problem.x[problem.index(5, i)] = 1;
                problem.x[problem.index(32, i)] *= 1e-25f;
            }
            CpuAccuracyTest.Result whole = new CpuAccuracyTest.Result(CpuAccuracyTest.open(backend, 20), problem);
            for (int threads = 1; threads <= 3; threads++) {
                assertSame(new CpuAccuracyTest.Result(CpuAccuracyTest.open(backend, threads), problem), whole);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void groupsOfColumnsGiveWhatColumnsGiveThatAreNotGrouped(String backend) {
        int rows = 30;
        Problem whole = new Problem(BatchShape.of(rows, 2777), 1, 2, 47);
        Problem part = new Problem(BatchShape.of(rows, 1008), 1, 2, 53);
        int first = 1531;
        assertThat(CutPolicy.groups(Cut.of(whole.shape), 1, 1)).isGreaterThan(3);
        assertThat(CutPolicy.groups(Cut.of(part.shape), 1, 1)).isZero();
        whole.x[whole.index(1600, 5)] = Float.NaN;
        whole.dy[whole.index(1700, 20)] = Float.POSITIVE_INFINITY;
        for (int i = 0; i < rows; i++) {
            whole.x[whole.index(1800, i)] = 1;
            whole.x[whole.index(2000, i)] *= 1e-25f;
        }
        for (int c = 0; c < 1008; c++) {
            part.gamma[c] = whole.gamma[first + c];
            part.beta[c] = whole.beta[first + c];
            for (int i = 0; i < rows; i++) {
                part.x[part.index(c, i)] = whole.x[whole.index(first + c, i)];
                part.dy[part.index(c, i)] = whole.dy[whole.index(first + c, i)];
            }
        }
        CpuAccuracyTest.Result expected = new CpuAccuracyTest.Result(CpuAccuracyTest.open(backend, 1), part);
        for (int threads = 1; threads <= 3; threads++) {
            CpuAccuracyTest.Result result = new CpuAccuracyTest.Result(CpuAccuracyTest.open(backend, threads), whole);
            assertThat(Arrays.copyOfRange(result.dgamma, first, first + 1008)).isEqualTo(expected.dgamma);
            assertThat(Arrays.copyOfRange(result.dbeta, first, first + 1008)).isEqualTo(expected.dbeta);
            for (int i = 0; i < rows; i++) {
                int from = whole.index(first, i);
                int at = part.index(0, i);
                assertThat(Arrays.copyOfRange(result.y, from, from + 1008))
                        .isEqualTo(Arrays.copyOfRange(expected.y, at, at + 1008));
                assertThat(Arrays.copyOfRange(result.dx, from, from + 1008))
                        .isEqualTo(Arrays.copyOfRange(expected.dx, at, at + 1008));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void resultsStayTheSameFromTheFirstCallToCompiledCode(String backend) {
        Problem problem = new Problem(BatchShape.channelsFirst(3, 5, 41), 1, 2, 31);
        BatchNormOperations operations = CpuAccuracyTest.open(backend, 1);
        CpuAccuracyTest.Result first = new CpuAccuracyTest.Result(operations, problem);
        for (int i = 0; i < 5000; i++) {
            assertSame(new CpuAccuracyTest.Result(operations, problem), first);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void severalCallersGetWhatOneGets(String backend) throws Exception {
        BatchNormOperations operations = CpuAccuracyTest.open(backend, 3);
        List<Problem> problems = new ArrayList<>();
        List<CpuAccuracyTest.Result> expected = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            problems.add(new Problem(BatchShape.of(1000 + i, 100), i, 1, i));
            expected.add(new CpuAccuracyTest.Result(operations, problems.get(i)));
        }
        try (ExecutorService callers = Executors.newFixedThreadPool(4)) {
            List<Future<?>> running = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                int mine = i;
                running.add(callers.submit((Callable<Void>) () -> {
                    for (int j = 0; j < 20; j++) {
                        assertSame(new CpuAccuracyTest.Result(operations, problems.get(mine)), expected.get(mine));
                    }
                    return null;
                }));
            }
            for (Future<?> caller : running) {
                caller.get(1, TimeUnit.MINUTES);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void memoryOfTheCallerAloneIsLeftToTheCaller(String backend) {
        Problem problem = new Problem(BatchShape.of(2000, 100), 0, 1, 37);
        BatchNormOperations operations = CpuAccuracyTest.open(backend, 4);
        try (Arena confined = Arena.ofConfined()) {
            MemorySegment x = confined.allocateFrom(ValueLayout.JAVA_FLOAT, problem.x);
            MemorySegment y = confined.allocate(x.byteSize(), Float.BYTES);
            problem.forward(operations, problem.of(x), problem.of(y), new BatchStatistics(100));
            assertThat(y.toArray(ValueLayout.JAVA_FLOAT)).isEqualTo(new CpuAccuracyTest.Result(operations, problem).y);
        }
    }

    private static void assertSame(CpuAccuracyTest.Result given, CpuAccuracyTest.Result expected) {
        assertThat(given.y).isEqualTo(expected.y);
        assertThat(given.inferred).isEqualTo(expected.inferred);
        assertThat(given.dx).isEqualTo(expected.dx);
        assertThat(given.frozenDx).isEqualTo(expected.frozenDx);
        assertThat(given.dgamma).isEqualTo(expected.dgamma);
        assertThat(given.dbeta).isEqualTo(expected.dbeta);
        assertThat(given.statistics.mean()).isEqualTo(expected.statistics.mean());
        assertThat(given.statistics.meanLow()).isEqualTo(expected.statistics.meanLow());
        assertThat(given.statistics.variance()).isEqualTo(expected.statistics.variance());
    }
}
