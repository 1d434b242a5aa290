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
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
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
    private static final BatchShape ONE = BatchShape.of(1, C);

    private static final Activations RELU = Activations.NONE.withOutput(Activation.relu());
    private static final Activations BOTH = new Activations(Activation.leakyRelu(0.1), Activation.leakyRelu(0.2));

    /** The backend's name. */
    protected abstract String backend();

    /** The last of four ranks has no values, or one; parts differ in size. */
    @ParameterizedTest
    @ValueSource(strings = {"24", "12 12", "3 20 1", "9 7 8 0", "1 1 1 1", "1 1", "0 2"})
    void ranksAreOneLayer(String sizes) {
        new Ranks(BatchShape.of(1, C), parse(sizes)).areOneLayer();
    }

    @ParameterizedTest
    @ValueSource(strings = {"12 12", "3 20 1", "9 7 8 0", "1 1"})
    void ranksAreOneLayerWithActivationsAndAResidual(String sizes) {
        BatchShape sample = BatchShape.of(1, C);
        new Ranks(sample, parse(sizes)).with(RELU).areOneLayer();
        new Ranks(sample, parse(sizes)).with(BOTH).adding().areOneLayer();
    }

    /** Terms that cancel between the ranks cost no digits. */
    @ParameterizedTest
    @ValueSource(doubles = {3, 30, 1e5})
    void ranksAreOneLayerWhateverTheMeanOfDy(double mean) {
        for (int[] sizes : new int[][] {{3, 20, 9}, {3, 3}}) {
            new Ranks(BatchShape.of(1, C), sizes).dyAround(mean).areOneLayer();
        }
        new Ranks(BatchShape.of(1, C), 300, 1, 700).with(RELU).dyAround(mean).areOneLayer();
    }

    /** As above, with ranks whose own means are some deviations apart, and no z that the activation changes. */
    @ParameterizedTest
    @ValueSource(doubles = {0, 1e5})
    void ranksAreOneLayerWhereTheirMeansDiffer(double mean) {
        for (float bias : new float[] {0, 100}) {
            new Ranks(BatchShape.of(1, C), 30, 200, 90)
                    .with(RELU)
                    .dyAround(mean)
                    .apart(7)
                    .biasedBy(bias)
                    .areOneLayer();
        }
    }

    @Test
    void ranksAreOneLayerInBothLayouts() {
        for (BatchShape sample : List.of(BatchShape.channelsFirst(1, C, 9, 8), BatchShape.channelsLast(1, C, 9, 8))) {
            new Ranks(sample, 2, 1, 4).areOneLayer();
            new Ranks(sample, 2, 1, 4).with(RELU).areOneLayer();
            new Ranks(sample, 2, 1, 4).with(BOTH).adding().areOneLayer();
        }
        new Ranks(BatchShape.channelsFirst(1, C, 70, 70), 2, 1).with(RELU).areOneLayer();
    }

    /** Every rank rounds at the store alone: the moments and sums that are exchanged are as wide as of float32. */
    @ParameterizedTest
    @EnumSource(value = ElementType.class, names = "B?FLOAT16", mode = EnumSource.Mode.MATCH_ALL)
    void ranksAreOneLayerOfEveryType(ElementType type) {
        assumeTrue(takes16Bit(), "a backend that takes 16-bit types");
        for (Activations activations : List.of(Activations.NONE, RELU)) {
            ofType(type, BatchShape.of(1, C), 3, 20, 1, 0).with(activations).areOneLayer();
            ofType(type, BatchShape.of(1, C), 9, 7)
                    .with(activations)
                    .dyAround(30)
                    .areOneLayer();
            ofType(type, BatchShape.channelsFirst(1, C, 9, 8), 2, 1, 4)
                    .with(activations)
                    .areOneLayer();
            ofType(type, BatchShape.channelsLast(1, C, 9, 8), 2, 1, 4)
                    .with(activations)
                    .dyAround(3)
                    .areOneLayer();
        }
        ofType(type, BatchShape.of(1, C), 3, 20, 1, 0).with(RELU).adding().areOneLayer();
    }

    private Ranks ofType(ElementType type, BatchShape sample, int... sizes) {
        Ranks ranks = new Ranks(sample, sizes);
        ranks.type = type;
        return ranks;
    }

    /** The activation goes by the γ and β of the forward, whatever an optimizer has made of them since. */
    @Test
    void parametersMayChangeBeforeTheBackward() {
        Ranks ranks = new Ranks(BatchShape.of(1, C), new int[] {3, 20, 9}).with(BOTH);
        ranks.changing = true;
        ranks.areOneLayer();
    }

    /**
     * The sign of the activation is that of y to the last bit, where x is the mean of all ranks but for rounding, and
     * far from that of its own: of ones, dβ counts the values of y that are positive.
     */
    @Test
    void theSignIsThatOfTheForward() {
        int[] sizes = {40, 24};
        together(2, exchange -> {
            int n = sizes[exchange.rank()];
            float[] x = new float[n * C];
            for (int i = 0; i < x.length; i++) {
                float mean = 0.1f * (1 + i % C);
                int kind = i / C < 8 ? exchange.rank() * 2 - 1 : 0;
                x[i] = mean + kind * 0.7f;
            }
            float[] ones = new float[x.length];
            Arrays.fill(ones, 1);
            try (BatchNorm layer = layer(exchange, RELU)) {
                float[] y = new float[x.length];
                layer.forward(x, y, BatchShape.of(n, C));
                layer.backward(x, ones, new float[x.length], BatchShape.of(n, C));
                float[] positive = new float[C];
                for (int i = 0; i < y.length; i++) {
                    positive[i % C] += y[i] > 0 ? 1 : 0;
                }
                assertThat(layer.biasGradient()).containsExactly(positive);
            }
        });
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

    /** The values, rounded to the type; those of float32 in that very array. */
    private static Batch batch(float[] values, BatchShape shape, ElementType type) {
        if (type == ElementType.FLOAT32) {
            return Batch.of(values, shape);
        }
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

    /** With activations and a residual, too, they are those of a layer that knows of no other rank. */
    @ParameterizedTest
    @EnumSource(names = {"FROZEN", "INFERENCE"})
    void givenStatisticsAreThoseOfALayerAlone(Mode mode) {
        StatisticsExchange alone =
                InProcessExchange.group(2, Duration.ofMillis(1)).get(0);
        Values batch = Values.random(BatchShape.of(7, C), 3);
        Batch x = Batch.of(batch.x(), batch.shape());
        Batch residual = Batch.of(Values.random(batch.shape(), 4).x(), batch.shape());
        for (Activations activations : List.of(RELU, BOTH)) {
            try (BatchNorm layer = layer(alone, activations);
                    BatchNorm other = builder(activations).build()) {
                Step.run(layer.mode(mode), batch).isBitwise(Step.run(other.mode(mode), batch));
                List<float[]> results = new ArrayList<>();
                for (BatchNorm each : List.of(layer, other)) {
                    SavedStatistics saved = new SavedStatistics(C);
                    Batch y = Batch.of(new float[7 * C], batch.shape());
                    Batch dx = Batch.of(new float[7 * C], batch.shape());
                    Batch dresidual = Batch.of(new float[7 * C], batch.shape());
                    each.forward(x, residual, y, saved);
                    each.backward(x, y, Batch.of(batch.dy(), batch.shape()), dx, dresidual, saved);
                    results.add(y.array());
                    results.add(dx.array());
                    results.add(dresidual.array());
                }
                for (int i = 0; i < 3; i++) {
                    assertThat(results.get(i)).isEqualTo(results.get(i + 3));
                }
            }
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
        return layer(exchange, Activations.NONE);
    }

    private BatchNorm layer(StatisticsExchange exchange, Activations activations) {
        return builder(activations).synchronizedBy(exchange).build();
    }

    private BatchNormBuilder builder(Activations activations) {
        return BatchNorm.builder(C)
                .eps(EPS)
                .momentum(MOMENTUM)
                .inputActivation(activations.input())
                .activation(activations.output())
                .backend(backend());
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

    private static double[] sizes(List<BatchNorm> layers, Function<BatchNorm, float[]> gradient, double[] least) {
        double[] sizes = new double[C];
        for (int c = 0; c < C; c++) {
            for (BatchNorm layer : layers) {
                sizes[c] += Math.abs(gradient.apply(layer)[c]);
            }
            sizes[c] = Math.max(sizes[c], least[c]);
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

    /** Ranks with their parts of a batch, and what they are given beside it. */
    private final class Ranks {
        private final BatchShape sample;
        private final int[] sizes;
        private ElementType type = ElementType.FLOAT32;
        private Activations activations = Activations.NONE;
        private double meanOfDy;
        private float apart;
        private float bias;
        private boolean adding;

        /** Whether γ and β change between forward and backward. */
        private boolean changing;

        private Values whole;
        private float[] residual;
        private float[] y;
        private float[] dx;
        private float[] dresidual;

        Ranks(BatchShape sample, int... sizes) {
            this.sample = sample;
            this.sizes = sizes;
        }

        Ranks with(Activations newActivations) {
            activations = newActivations;
            return this;
        }

        Ranks adding() {
            adding = true;
            return this;
        }

        Ranks dyAround(double mean) {
            meanOfDy = mean;
            return this;
        }

        /** The distance between the means of ranks. */
        Ranks apart(float distance) {
            apart = distance;
            return this;
        }

        /** Adds to β. */
        Ranks biasedBy(float value) {
            bias = value;
            return this;
        }

        private BatchShape samples(int n) {
            return new BatchShape(n, C, sample.spatial(), sample.layout());
        }

        private int start(int rank) {
            return (int) samples(Arrays.stream(sizes).limit(rank).sum()).elements();
        }

        private float[] rounded(float[] values) {
            return floats(batch(values, whole.shape(), type));
        }

        private void prepare() {
            whole = Values.random(samples(Arrays.stream(sizes).sum()), 7, 3, 2);
            for (int rank = 0; rank < sizes.length; rank++) {
                for (int i = start(rank); i < start(rank + 1); i++) {
                    whole.x()[i] += rank * apart;
                    whole.dy()[i] += (float) meanOfDy;
                }
            }
            for (int c = 0; c < C; c++) {
                whole.bias()[c] += bias;
            }
            whole = whole.withX(rounded(whole.x())).withDy(rounded(whole.dy()));
            residual = rounded(Values.random(whole.shape(), 8).dy());
            y = new float[whole.x().length];
            dx = new float[whole.x().length];
            dresidual = new float[whole.x().length];
        }

        void areOneLayer() {
            prepare();
            List<BatchNorm> layers = new ArrayList<>();
            together(sizes.length, exchange -> {
                BatchNorm layer = layer(exchange, activations);
                synchronized (layers) {
                    layers.add(layer);
                }
                step(layer, exchange.rank());
            });
            check(layers);
        }

        private Batch part(float[] values, int rank) {
            return batch(Arrays.copyOfRange(values, start(rank), start(rank + 1)), samples(sizes[rank]), type);
        }

        private void step(BatchNorm layer, int rank) {
            System.arraycopy(whole.weight(), 0, layer.weight(), 0, C);
            System.arraycopy(whole.bias(), 0, layer.bias(), 0, C);
            Batch x = part(whole.x(), rank);
            Batch dy = part(whole.dy(), rank);
            Batch out = part(new float[y.length], rank);
            if (adding) {
                Batch ofX = part(new float[y.length], rank);
                Batch ofResidual = part(new float[y.length], rank);
                layer.forward(x, part(residual, rank), out);
                take(out, y, rank);
                layer.backward(x, out, dy, ofX, ofResidual);
                take(ofX, dx, rank);
                take(ofResidual, dresidual, rank);
                return;
            }
            layer.forward(x, out);
            take(out, y, rank);
            if (changing) {
                Arrays.fill(layer.weight(), -3);
                Arrays.fill(layer.bias(), 7);
            }
            layer.backward(x, dy, out);
            take(out, dx, rank);
        }

        private void take(Batch from, float[] into, int rank) {
            from.copyTo(0, into, start(rank), (int) from.shape().elements());
        }

        private float[] activated() {
            float[] a = whole.x().clone();
            for (int i = 0; i < a.length; i++) {
                a[i] = activations.input().of(a[i]);
            }
            return a;
        }

        /** The gradient by BN(input(x)): the sign is that of the y that the ranks gave. */
        private float[] gradient() {
            float[] gradient = whole.dy().clone();
            for (int i = 0; i < gradient.length; i++) {
                gradient[i] = activations.output().gradient(gradient[i], y[i]);
            }
            if (adding) {
                gradient = rounded(gradient);
                assertThat(dresidual).isEqualTo(gradient);
            }
            return gradient;
        }

        /** Holds it against what the whole batch gives, in double precision. */
        private void check(List<BatchNorm> layers) {
            BatchShape shape = whole.shape();
            double[] a = Reference.widen(activated());
            double[] dy = Reference.widen(gradient());
            double[] gamma = Reference.widen(whole.weight());
            Reference.Statistics batch = Reference.statistics(shape, a, EPS);
            double[] bn =
                    Reference.transform(shape, a, gamma, Reference.widen(whole.bias()), batch.mean(), batch.rstd());
            double[] added = Reference.widen(adding ? residual : new float[residual.length]);
            boolean fused = adding || !activations.output().isNone();
            double[] ofY = fused ? Rounded.withResidual(bn, added) : Rounded.nothing(bn.length);
            check(Quantity.Y, y, Reference.addResidual(bn, added, activations.output()), ofY);

            Reference.Gradients gradients = Reference.backward(shape, a, dy, gamma, batch.mean(), batch.rstd(), true);
            Reference.Gradients rounded = Rounded.gradients(shape, a, dy, gamma, batch.mean(), batch.rstd(), true);
            for (int i = 0; i < dy.length; i++) {
                double derivative = activations.input().derivative(whole.x()[i]);
                gradients.dx()[i] *= derivative;
                rounded.dx()[i] *= derivative;
            }
            check(Quantity.DX, dx, gradients.dx(), rounded.dx());
            // Each rank's part is rounded, and may be larger than the sum.
            double[] ofParts = sizes(layers, BatchNorm::weightGradient, rounded.dgamma());
            float[] dgamma = sum(layers, BatchNorm::weightGradient);
            Step.assertWithinBar(ONE, Quantity.DWEIGHT, dgamma, gradients.dgamma(), ofParts);
            ofParts = sizes(layers, BatchNorm::biasGradient, rounded.dbeta());
            Step.assertWithinBar(ONE, Quantity.DBIAS, sum(layers, BatchNorm::biasGradient), gradients.dbeta(), ofParts);
            checkStatistics(layers, batch);
        }

        private void check(Quantity quantity, float[] actual, double[] expected, double[] ofRounding) {
            if (type == ElementType.FLOAT32) {
                Step.assertWithinBar(whole.shape(), quantity, actual, expected, ofRounding);
            } else {
                assertThat(ErrorBound.check(quantity, type, actual, expected, ofRounding, OptionalDouble.empty())
                                .message())
                        .isEmpty();
            }
        }

        private void checkStatistics(List<BatchNorm> layers, Reference.Statistics batch) {
            double[] ones = new double[C];
            Arrays.fill(ones, 1);
            BatchShape shape = whole.shape();
            double[] mean = Reference.updateRunning(new double[C], batch.mean(), MOMENTUM);
            double[] unbiased = Reference.unbiased(batch.variance(), shape.valuesPerFeature());
            double[] variance = Reference.updateRunning(ones, unbiased, MOMENTUM);
            double[] ofMean = Rounded.runningMean(shape, batch.variance(), MOMENTUM);
            for (BatchNorm layer : layers) {
                assertThat(layer.numBatchesTracked()).isEqualTo(1);
                assertThat(layer.runningMean()).isEqualTo(layers.get(0).runningMean());
                assertThat(layer.runningVar()).isEqualTo(layers.get(0).runningVar());
                Step.assertWithinBar(ONE, Quantity.RUNNING_MEAN, layer.runningMean(), mean, ofMean);
                Step.assertWithinBar(Quantity.RUNNING_VAR, layer.runningVar(), variance);
                layer.close();
            }
        }
    }
}
