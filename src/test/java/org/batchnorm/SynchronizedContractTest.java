package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.function.Function;
import org.batchnorm.conformance.ErrorBound;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.Reference;
import org.batchnorm.conformance.Rounded;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.InProcessExchange;
import org.batchnorm.spi.StatisticsExchange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Layers of several ranks, each with a part of a batch, are one layer with the whole of it. The ranks are threads of
 * this process. A backend's test class extends this one and names the backend.
 */
public abstract class SynchronizedContractTest {
    private static final int C = 5;
    private static final double EPS = 1e-5;
    private static final double MOMENTUM = 0.3;
    private static final Duration DEADLINE = Duration.ofSeconds(60);

    /** The backend's name. */
    protected abstract String backend();

    /** The last of four ranks has no values, or one; parts differ in size. */
    @ParameterizedTest
    @ValueSource(strings = {"24", "12 12", "3 20 1", "9 7 8 0", "1 1 1 1", "1 1", "0 2"})
    void ranksAreOneLayer(String sizes) {
        check(BatchShape.of(1, C), parse(sizes), 0);
    }

    /** Terms that cancel between the ranks cost no digits. */
    @ParameterizedTest
    @ValueSource(doubles = {3, 30, 1e5})
    void ranksAreOneLayerWhateverTheMeanOfDy(double mean) {
        check(BatchShape.of(1, C), new int[] {3, 20, 9}, mean);
        check(BatchShape.of(1, C), new int[] {3, 3}, mean);
    }

    @Test
    void ranksAreOneLayerInBothLayouts() {
        check(BatchShape.channelsFirst(1, C, 9, 8), new int[] {2, 1, 4}, 0);
        check(BatchShape.channelsLast(1, C, 9, 8), new int[] {2, 1, 4}, 0);
    }

    /** Every rank rounds at the store alone: the moments and sums that are exchanged are as wide as of float32. */
    @ParameterizedTest
    @EnumSource(value = ElementType.class, names = "B?FLOAT16", mode = EnumSource.Mode.MATCH_ALL)
    void ranksAreOneLayerOfEveryType(ElementType type) {
        assumeTrue(takes16Bit(), "a backend that takes 16-bit types");
        check(BatchShape.of(1, C), new int[] {3, 20, 1, 0}, 0, type);
        check(BatchShape.of(1, C), new int[] {9, 7}, 30, type);
        check(BatchShape.channelsFirst(1, C, 9, 8), new int[] {2, 1, 4}, 0, type);
        check(BatchShape.channelsLast(1, C, 9, 8), new int[] {2, 1, 4}, 3, type);
    }

    private boolean takes16Bit() {
        BackendOptions options = BackendOptions.fromSystemProperties();
        try (BatchNormOperations operations =
                Backends.open(Optional.of(backend()), options).operations()) {
            return operations.takes16Bit();
        }
    }

    private static int[] parse(String sizes) {
        return Arrays.stream(sizes.split(" ")).mapToInt(Integer::parseInt).toArray();
    }

    private void check(BatchShape sample, int[] sizes, double meanOfDy) {
        check(sample, sizes, meanOfDy, ElementType.FLOAT32);
    }

    private void check(BatchShape sample, int[] sizes, double meanOfDy, ElementType type) {
        int n = Arrays.stream(sizes).sum();
        BatchShape shape = new BatchShape(n, C, sample.spatial(), sample.layout());
        Values whole = Values.random(shape, 7, 3, 2);
        for (int i = 0; i < whole.dy().length; i++) {
            whole.dy()[i] += (float) meanOfDy;
        }
        System.arraycopy(floats(batch(whole.x(), shape, type)), 0, whole.x(), 0, whole.x().length);
        System.arraycopy(floats(batch(whole.dy(), shape, type)), 0, whole.dy(), 0, whole.dy().length);
        float[] y = new float[whole.x().length];
        float[] dx = new float[whole.x().length];
        List<BatchNorm> layers = new ArrayList<>();
        together(sizes.length, exchange -> {
            BatchNorm layer = layer(exchange);
            synchronized (layers) {
                layers.add(layer);
            }
            int from = Arrays.stream(sizes).limit(exchange.rank()).sum();
            BatchShape part = new BatchShape(sizes[exchange.rank()], C, sample.spatial(), sample.layout());
            int start = from * C * (int) sample.spatial();
            if (type == ElementType.FLOAT32) {
                step(layer, whole, part, start, y, dx);
            } else {
                step(layer, whole, part, start, type, y, dx);
            }
        });
        Expected expected = new Expected(whole);
        expected.check(Quantity.Y, type, y, expected.y, Rounded.nothing(y.length));
        expected.check(Quantity.DX, type, dx, expected.gradients.dx(), expected.rounded.dx());
        // Each rank's part is rounded, and may be larger than the sum.
        float[] dgamma = sum(layers, BatchNorm::weightGradient);
        double[] parts = sizes(layers, BatchNorm::weightGradient);
        expected.check(Quantity.DWEIGHT, dgamma, expected.gradients.dgamma(), parts);
        float[] dbeta = sum(layers, BatchNorm::biasGradient);
        expected.check(Quantity.DBIAS, dbeta, expected.gradients.dbeta(), sizes(layers, BatchNorm::biasGradient));
        for (BatchNorm layer : layers) {
            assertThat(layer.numBatchesTracked()).isEqualTo(1);
            assertThat(layer.runningMean()).isEqualTo(layers.get(0).runningMean());
            assertThat(layer.runningVar()).isEqualTo(layers.get(0).runningVar());
            expected.check(Quantity.RUNNING_MEAN, layer.runningMean(), expected.runningMean);
            expected.check(Quantity.RUNNING_VAR, layer.runningVar(), expected.runningVar);
            layer.close();
        }
    }

    private static void step(BatchNorm layer, Values whole, BatchShape part, int start, float[] y, float[] dx) {
        int end = start + (int) part.elements();
        System.arraycopy(whole.weight(), 0, layer.weight(), 0, C);
        System.arraycopy(whole.bias(), 0, layer.bias(), 0, C);
        float[] x = Arrays.copyOfRange(whole.x(), start, end);
        float[] out = new float[x.length];
        layer.forward(x, out, part);
        System.arraycopy(out, 0, y, start, out.length);
        layer.backward(x, Arrays.copyOfRange(whole.dy(), start, end), out, part);
        System.arraycopy(out, 0, dx, start, out.length);
    }

    private static void step(
            BatchNorm layer, Values whole, BatchShape part, int start, ElementType type, float[] y, float[] dx) {
        int end = start + (int) part.elements();
        System.arraycopy(whole.weight(), 0, layer.weight(), 0, C);
        System.arraycopy(whole.bias(), 0, layer.bias(), 0, C);
        Batch x = batch(Arrays.copyOfRange(whole.x(), start, end), part, type);
        Batch dy = batch(Arrays.copyOfRange(whole.dy(), start, end), part, type);
        Batch out = batch(new float[end - start], part, type);
        layer.forward(x, out);
        out.copyTo(0, y, start, end - start);
        layer.backward(x, dy, out);
        out.copyTo(0, dx, start, end - start);
    }

    /** The values, rounded to the type. */
    private static Batch batch(float[] values, BatchShape shape, ElementType type) {
        Arena arena = Arena.ofAuto();
        Batch batch = Batch.of(arena.allocate(Math.max(1, values.length) * (long) type.bytes(), 8), type, shape);
        batch.copyFrom(values, 0, 0, values.length);
        return batch;
    }

    private static float[] floats(Batch batch) {
        float[] values = new float[(int) batch.shape().elements()];
        batch.copyTo(0, values, 0, values.length);
        return values;
    }

    /** A single value in all is refused by every rank, none changes anything, and they go on. */
    @Test
    void oneValueInAllIsRefusedByAllRanks() {
        together(3, exchange -> {
            try (BatchNorm layer = layer(exchange)) {
                int n = exchange.rank() == 1 ? 1 : 0;
                float[] x = new float[n * C];
                float[] y = new float[n * C];
                assertThatThrownBy(() -> layer.forward(x, y, BatchShape.of(n, C)))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageContaining("expected more than 1 value per feature")
                        .hasMessageContaining("the 3 ranks together have 1");
                assertThat(layer.numBatchesTracked()).isZero();
                assertThat(layer.runningMean()).containsOnly(0);
                layer.forward(new float[2 * C], new float[2 * C], BatchShape.of(2, C));
                assertThat(layer.numBatchesTracked()).isEqualTo(1);
            }
        });
    }

    @Test
    void ranksInDifferentPassesAreAllToldSo() {
        together(2, exchange -> {
            try (BatchNorm layer = layer(exchange)) {
                float[] x = Values.random(BatchShape.of(4, C), exchange.rank()).x();
                layer.forward(x, new float[4 * C], BatchShape.of(4, C));
                assertThatThrownBy(() -> {
                            if (exchange.rank() == 0) {
                                layer.forward(x, new float[4 * C], BatchShape.of(4, C));
                            } else {
                                layer.backward(x, x, new float[4 * C], BatchShape.of(4, C));
                            }
                        })
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("every rank must run the same operations in the same order");
            }
        });
    }

    @Test
    void noValuesInAllAreCountedAndChangeNothing() {
        together(2, exchange -> {
            try (BatchNorm layer = layer(exchange)) {
                float[] none = {};
                layer.forward(none, none, BatchShape.of(0, C));
                layer.backward(none, none, none, BatchShape.of(0, C));
                assertThat(layer.numBatchesTracked()).isEqualTo(1);
                assertThat(layer.runningVar()).containsOnly(1);
                assertThat(layer.weightGradient()).containsOnly(0);
            }
        });
    }

    /** These take no statistics of a batch: ranks need not meet. */
    @Test
    void inferenceAndFrozenStatisticsExchangeNothing() {
        StatisticsExchange alone =
                InProcessExchange.group(2, Duration.ofMillis(1)).get(0);
        try (BatchNorm layer = layer(alone)) {
            float[] x = {1, 2, 3, 4, 5};
            float[] y = new float[C];
            layer.eval().forward(x, y, BatchShape.of(1, C));
            layer.freezeStatistics().forward(x, y, BatchShape.of(1, C));
            layer.backward(x, x, y, BatchShape.of(1, C));
            assertThat(layer.biasGradient()).containsExactly(x);
        }
    }

    /** As inference does everywhere, a rank infers alone; its gradients are those of its own batch. */
    @Test
    void inferenceWithoutTrackedStatisticsExchangesNothing() {
        StatisticsExchange alone =
                InProcessExchange.group(2, Duration.ofMillis(1)).get(0);
        Values batch = Values.random(BatchShape.of(7, C), 3);
        try (BatchNorm layer = BatchNorm.builder(C)
                        .backend(backend())
                        .trackRunningStatistics(false)
                        .synchronizedBy(alone)
                        .build();
                BatchNorm other = BatchNorm.builder(C)
                        .backend(backend())
                        .trackRunningStatistics(false)
                        .build()) {
            Step.run(layer.eval(), batch).isBitwise(Step.run(other.eval(), batch));
        }
    }

    @Test
    void aRankThatDoesNotComeEndsTheWaitingOfTheOthers() {
        StatisticsExchange alone =
                InProcessExchange.group(2, Duration.ofMillis(50)).get(1);
        try (BatchNorm layer = layer(alone)) {
            assertThatThrownBy(() -> layer.forward(new float[2 * C], new float[2 * C], BatchShape.of(2, C)))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("exchange: rank 1 of 2 waited for another rank");
            assertThat(layer.numBatchesTracked()).isZero();
        }
    }

    private BatchNorm layer(StatisticsExchange exchange) {
        return BatchNorm.builder(C)
                .eps(EPS)
                .momentum(MOMENTUM)
                .backend(backend())
                .synchronizedBy(exchange)
                .build();
    }

    /** Runs every rank in a thread of its own; what one throws, its assertions included, is thrown. */
    static void together(int size, Consumer<StatisticsExchange> rank) {
        try (ExecutorService threads = Executors.newFixedThreadPool(size)) {
            List<Future<?>> all = new ArrayList<>();
            for (StatisticsExchange exchange : InProcessExchange.group(size, DEADLINE)) {
                all.add(threads.submit(() -> rank.accept(exchange)));
            }
            for (Future<?> one : all) {
                one.get();
            }
        } catch (ExecutionException e) {
            throw new AssertionError("a rank failed", e.getCause());
        } catch (InterruptedException e) {
            throw new AssertionError("interrupted", e);
        }
    }

    private static double[] sizes(List<BatchNorm> layers, Function<BatchNorm, float[]> gradient) {
        double[] sizes = new double[C];
        for (BatchNorm layer : layers) {
            for (int c = 0; c < C; c++) {
                sizes[c] += Math.abs(gradient.apply(layer)[c]);
            }
        }
        return sizes;
    }

    private static float[] sum(List<BatchNorm> layers, Function<BatchNorm, float[]> gradient) {
        double[] sum = new double[C];
        for (BatchNorm layer : layers) {
            for (int c = 0; c < C; c++) {
                sum[c] += gradient.apply(layer)[c];
            }
        }
        float[] rounded = new float[C];
        for (int c = 0; c < C; c++) {
            rounded[c] = (float) sum[c];
        }
        return rounded;
    }

    /** What the whole batch gives, in double precision. */
    private static final class Expected {
        final double[] y;
        final Reference.Gradients gradients;
        final Reference.Gradients rounded;
        final double[] runningMean;
        final double[] runningVar;

        Expected(Values whole) {
            BatchShape shape = whole.shape();
            double[] x = Reference.widen(whole.x());
            double[] dy = Reference.widen(whole.dy());
            double[] gamma = Reference.widen(whole.weight());
            Reference.Statistics batch = Reference.statistics(shape, x, EPS);
            y = Reference.transform(shape, x, gamma, Reference.widen(whole.bias()), batch.mean(), batch.rstd());
            gradients = Reference.backward(shape, x, dy, gamma, batch.mean(), batch.rstd(), true);
            rounded = Rounded.gradients(shape, x, dy, gamma, batch.mean(), batch.rstd(), true);
            double[] ones = new double[C];
            Arrays.fill(ones, 1);
            runningMean = Reference.updateRunning(new double[C], batch.mean(), MOMENTUM);
            double[] unbiased = Reference.unbiased(batch.variance(), shape.valuesPerFeature());
            runningVar = Reference.updateRunning(ones, unbiased, MOMENTUM);
        }

        void check(Quantity quantity, float[] actual, double[] expected) {
            check(quantity, actual, expected, Rounded.nothing(expected.length));
        }

        void check(Quantity quantity, float[] actual, double[] expected, double[] roundedTo) {
            check(quantity, ElementType.FLOAT32, actual, expected, roundedTo);
        }

        void check(Quantity quantity, ElementType type, float[] actual, double[] expected, double[] roundedTo) {
            assertThat(ErrorBound.check(quantity, type, actual, expected, roundedTo, OptionalDouble.empty())
                            .message())
                    .isEmpty();
        }
    }
}
