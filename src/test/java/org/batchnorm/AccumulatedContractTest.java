package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.Reference;
import org.batchnorm.conformance.Rounded;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.InProcessExchange;
import org.batchnorm.state.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Micro-batches through {@link AccumulatedBatches} are one large batch. A backend's test class extends this one and
 * names the backend.
 */
public abstract class AccumulatedContractTest {
    private static final int C = 5;
    private static final double EPS = 1e-5;
    private static final double MOMENTUM = 0.3;
    private static final Activations RELU = Activations.NONE.withOutput(Activation.relu());

    /** After batch norm, before it, and both. */
    private static final List<Activations> ACTIVATIONS = List.of(
            RELU,
            Activations.NONE.withInput(Activation.leakyRelu(0.1)),
            new Activations(Activation.leakyRelu(0.1), Activation.leakyRelu(0.2)));

    /** The backend's name. */
    protected abstract String backend();

    // ---- values

    /** Some micro-batches have no values, or one; they differ in size. */
    @ParameterizedTest
    @ValueSource(strings = {"24", "12 12", "3 20 1", "9 7 8 0", "1 1 1 1", "1 1", "0 2 0", "300 1 700 23"})
    void microBatchesAreOneBatch(String sizes) {
        Large large = new Large(BatchShape.of(1, C), parse(sizes), 0);
        large.inOrder().isOneBatch();
    }

    @ParameterizedTest
    @ValueSource(strings = {"12 12", "3 20 1", "9 7 8 0", "1 1", "300 1 700 23"})
    void microBatchesAreOneBatchWithActivationsAndAResidual(String sizes) {
        for (Activations activations : ACTIVATIONS) {
            for (boolean adding : new boolean[] {false, true}) {
                new Large(BatchShape.of(1, C), parse(sizes), 0)
                        .fusing(activations, adding)
                        .inOrder()
                        .isOneBatch();
            }
        }
    }

    @ParameterizedTest
    @MethodSource("samples")
    void microBatchesAreOneBatchInEveryLayout(BatchShape sample) {
        int[] sizes = {2, 1, 4};
        new Large(sample, sizes, 0).inOrder().isOneBatch();
        new Large(sample, sizes, 0).fusing(RELU, false).inOrder().isOneBatch();
        new Large(sample, sizes, 0).fusing(RELU, true).inOrder().isOneBatch();
    }

    static Stream<BatchShape> samples() {
        return Stream.of(
                BatchShape.channelsFirst(1, C, 9, 8),
                BatchShape.channelsLast(1, C, 9, 8),
                BatchShape.channelsFirst(1, C, 70, 70));
    }

    /** Terms that cancel between the micro-batches cost no digits. */
    @ParameterizedTest
    @ValueSource(doubles = {3, 30, 1e5})
    void microBatchesAreOneBatchWhateverTheMeanOfDy(double mean) {
        for (int[] sizes : new int[][] {{3, 20, 9}, {3, 3}, {300, 1, 700}}) {
            new Large(BatchShape.of(1, C), sizes, mean).inOrder().isOneBatch();
            new Large(BatchShape.of(1, C), sizes, mean)
                    .fusing(RELU, false)
                    .inOrder()
                    .isOneBatch();
        }
    }

    /** As above, where micro-batches have means some deviations apart, and no z that the activation changes. */
    @ParameterizedTest
    @ValueSource(doubles = {0, 30, 1e5})
    void microBatchesAreOneBatchWhereTheirMeansDiffer(double mean) {
        int[] sizes = {30, 200, 90};
        for (Activations activations : List.of(Activations.NONE, RELU)) {
            for (float bias : new float[] {0, 100}) {
                Large large = new Large(BatchShape.of(1, C), sizes, mean).fusing(activations, false);
                for (int i = 0; i < large.whole.x().length; i++) {
                    large.whole.x()[i] += i < 30 * C ? 0 : i < 230 * C ? 7 : 14;
                }
                for (int c = 0; c < C; c++) {
                    large.whole.bias()[c] += bias;
                }
                large.inOrder().isOneBatch();
            }
        }
    }

    /** All of a large batch goes by the γ and β of {@code mergeStatistics}. */
    @Test
    void parametersMayChangeBehindAnActivation() {
        for (boolean adding : new boolean[] {false, true}) {
            Large large = new Large(BatchShape.of(1, C), new int[] {3, 20, 9}, 0).fusing(RELU, adding);
            large.changing = true;
            large.inOrder().isOneBatch();
        }
    }

    /** In the places of others: the residual's of y, dresidual's of dy or y, and dx's of dresidual. */
    @Test
    void memoryMayBeUsedAgainWithAResidual() {
        Large separate = new Large(BatchShape.of(1, C), new int[] {6}, 0)
                .fusing(RELU, true)
                .inOrder();
        BatchShape shape = separate.whole.shape();
        for (boolean inY : new boolean[] {false, true}) {
            try (BatchNorm layer = layer(true, RELU)) {
                setParameters(layer, separate.whole);
                AccumulatedBatches large = new AccumulatedBatches(layer);
                Batch x = Batch.of(separate.whole.x(), shape);
                Batch y = Batch.of(separate.residual.clone(), shape);
                Batch dy = Batch.of(separate.whole.dy().clone(), shape);
                large.collectStatistics(x);
                large.mergeStatistics();
                large.transform(x, y, y);
                float[] values = y.array().clone();
                Batch dresidual = inY ? y : dy;
                large.reduceGradients(x, y, dy, dresidual);
                assertThat(dresidual.array()).isEqualTo(separate.dresidual);
                large.mergeGradients();
                large.inputGradient(x, dresidual, dresidual);
                Step.of(layer, shape, values, dresidual.array()).isBitwise(separate.step());
            }
        }
    }

    @Test
    void eachSweepMayHaveItsOwnOrder() {
        Large large = new Large(BatchShape.channelsLast(1, C, 7), new int[] {4, 9, 2, 4}, 2);
        large.run(new int[] {0, 1, 2, 3}, new int[] {3, 1, 0, 2}, new int[] {3, 2, 1, 0}, new int[] {2, 0, 3, 1});
        large.isOneBatch();
    }

    /** Where a value is so far from the mean of all that the difference overflows, though not in its micro-batch. */
    @Test
    void valuesMayBeFarApartBetweenMicroBatches() {
        int[] sizes = IntStream.generate(() -> 10).limit(100).toArray();
        Large large = new Large(BatchShape.of(1, C), sizes, 0);
        for (int i = 0; i < 1000; i++) {
            large.whole.x()[i * C + 2] = i == 7 ? 3e38f : -3e38f;
        }
        large.trackNothing().inOrder().isOneBatch();
    }

    @Test
    void whatIsNotFiniteSpoilsItsFeatureOnly() {
        int[] sizes = {3, 4};
        Large clean = new Large(BatchShape.of(1, C), sizes, 0).inOrder();
        Large large = new Large(BatchShape.of(1, C), sizes, 0);
        large.whole.x()[2] = Float.NaN;
        large.inOrder();
        large.step().isBitwiseButInFeature(2, clean.step());
        assertThat(large.y[5 * C + 2]).isNaN();
    }

    // ---- the layer

    @Test
    void runningStatisticsFollowOnceALargeBatch() {
        Large large = new Large(BatchShape.of(1, C), new int[] {3, 20, 9}, 0);
        large.inOrder();
        assertThat(large.layer.numBatchesTracked()).isEqualTo(1);
        large.inOrder();
        assertThat(large.layer.numBatchesTracked()).isEqualTo(2);
        try (BatchNorm whole = layer(true)) {
            Step.run(whole, large.whole);
            Step.run(whole, large.whole);
            Step.assertWithinBar(
                    Quantity.RUNNING_MEAN, large.layer.runningMean(), Reference.widen(whole.runningMean()));
            Step.assertWithinBar(Quantity.RUNNING_VAR, large.layer.runningVar(), Reference.widen(whole.runningVar()));
        }
        large.layer.updateRunningStatistics(false);
        Map<String, Tensor> before = large.layer.state();
        large.inOrder();
        assertThat(large.layer.state()).isEqualTo(before);
        large.layer.train().cumulativeAverage();
        large.inOrder();
        assertThat(large.layer.numBatchesTracked()).isEqualTo(3);
    }

    /** As those of a layer's backward, until they are set to zero. */
    @Test
    void gradientsAreAddedToTheLayers() {
        Large large = new Large(BatchShape.of(1, C), new int[] {6, 5}, 0).inOrder();
        float[] once = large.layer.weightGradient().clone();
        large.inOrder();
        for (int c = 0; c < C; c++) {
            assertThat(large.layer.weightGradient()[c]).isEqualTo(once[c] + once[c]);
        }
    }

    @Test
    void aLayerWithoutParametersOrRunningStatisticsAccumulatesToo() {
        Values batch = Values.random(BatchShape.of(8, C), 3);
        try (BatchNorm layer = BatchNorm.builder(C)
                .backend(backend())
                .affine(false)
                .trackRunningStatistics(false)
                .build()) {
            AccumulatedBatches large = new AccumulatedBatches(layer.eval());
            Batch x = Batch.of(batch.x(), batch.shape());
            float[] y = new float[8 * C];
            large.collectStatistics(x);
            large.mergeStatistics();
            large.transform(x, Batch.of(y, batch.shape()));
            double[] wide = Reference.widen(batch.x());
            Reference.Statistics statistics = Reference.statistics(batch.shape(), wide, EPS);
            double[] expected =
                    Reference.transform(batch.shape(), wide, null, null, statistics.mean(), statistics.rstd());
            Step.of(layer, batch.shape(), y, y).isWithinBar(Quantity.Y, expected);
        }
    }

    /** In place, with x there again for the gradients, and in memory off the heap. */
    @Test
    void memoryMayBeUsedAgain() {
        Large separate = new Large(BatchShape.of(1, C), new int[] {6}, 0).inOrder();
        BatchShape shape = separate.whole.shape();
        try (BatchNorm layer = layer(true);
                Arena arena = Arena.ofConfined()) {
            setParameters(layer, separate.whole);
            AccumulatedBatches large = new AccumulatedBatches(layer);
            MemorySegment data = arena.allocate(ValueLayout.JAVA_FLOAT, shape.elements());
            Batch batch = Batch.of(data, shape);
            data.copyFrom(MemorySegment.ofArray(separate.whole.x()));
            large.collectStatistics(batch);
            large.mergeStatistics();
            large.transform(batch, batch);
            float[] y = data.toArray(ValueLayout.JAVA_FLOAT);
            data.copyFrom(MemorySegment.ofArray(separate.whole.x()));
            float[] gradient = separate.whole.dy().clone();
            Batch dy = Batch.of(gradient, shape);
            large.reduceGradients(batch, dy);
            large.mergeGradients();
            large.inputGradient(batch, dy, dy);
            Step.of(layer, shape, y, gradient).isBitwise(separate.step());
        }
    }

    @Test
    void noValuesInAllAreCountedAndChangeNothing() {
        Large large = new Large(BatchShape.of(1, C), new int[] {0, 0}, 0).inOrder();
        assertThat(large.layer.numBatchesTracked()).isEqualTo(1);
        assertThat(large.layer.runningVar()).containsOnly(1);
        assertThat(large.layer.weightGradient()).containsOnly(0);
        large.inOrder();
        assertThat(large.layer.numBatchesTracked()).isEqualTo(2);
    }

    // ---- refusals

    @Test
    void aWrongOrderIsRefusedByNameAndChangesNothing() {
        Large in = new Large(BatchShape.of(1, C), new int[] {3, 4}, 0);
        AccumulatedBatches large = in.large;
        Map<String, Tensor> before = in.layer.state();
        refused(large::mergeStatistics, "mergeStatistics: no micro-batch was collected; the order is");
        large.collectStatistics(in.x(0));
        refused(() -> large.transform(in.x(0), in.y(0)), "transform: statistics are not merged; the order is");
        refused(() -> large.reduceGradients(in.x(0), in.dy(0)), "reduceGradients: statistics are not merged");
        refused(large::mergeGradients, "mergeGradients: statistics are not merged");
        refused(() -> large.inputGradient(in.x(0), in.dy(0), in.dx(0)), "inputGradient: gradients are not merged");
        assertThat(in.layer.state()).isEqualTo(before);
        large.collectStatistics(in.x(1));
        assertThat(large.microBatches()).isEqualTo(2);
        assertThat(large.count()).isEqualTo(7);

        large.mergeStatistics();
        before = in.layer.state();
        refused(large::mergeStatistics, "mergeStatistics: statistics are merged already");
        refused(() -> large.collectStatistics(in.x(0)), "collectStatistics: statistics are merged already, and not");
        refused(() -> large.inputGradient(in.x(0), in.dy(0), in.dx(0)), "inputGradient: gradients are not merged");
        large.reduceGradients(in.x(0), in.dy(0));
        refused(large::mergeGradients, "mergeGradients: reduceGradients has had 1 of 2 micro-batches");
        refused(
                () -> large.reduceGradients(in.x(0), in.dy(0)),
                "reduceGradients: x with 3 values per feature given after 1 of 2 micro-batches with 3 of 7");
        assertThat(in.layer.weightGradient()).containsOnly(0);
        large.reduceGradients(in.x(1), in.dy(1));
        refused(() -> large.reduceGradients(in.x(1), in.dy(1)), "after 2 of 2 micro-batches with 7 of 7");

        large.mergeGradients();
        float[] gradient = in.layer.weightGradient().clone();
        refused(large::mergeGradients, "mergeGradients: gradients are merged already");
        refused(() -> large.reduceGradients(in.x(0), in.dy(0)), "reduceGradients: gradients are merged already");
        large.inputGradient(in.x(1), in.dy(1), in.dx(1));
        refused(
                () -> large.inputGradient(in.x(1), in.dy(1), in.dx(1)),
                "inputGradient: x with 4 values per feature given after 1 of 2 micro-batches with 4 of 7");
        large.inputGradient(in.x(0), in.dy(0), in.dx(0));
        refused(() -> large.inputGradient(in.x(0), in.dy(0), in.dx(0)), "inputGradient: gradients are not merged");
        assertThat(in.layer.weightGradient()).isEqualTo(gradient);
        assertThat(in.layer.state()).isEqualTo(before);

        large.collectStatistics(in.x(0));
        large.clear();
        assertThat(large.microBatches()).isZero();
        assertThat(large.count()).isZero();
        large.clear();
        in.layer.zeroGradients();
        in.inOrder().isOneBatchButTheRunningStatistics();
    }

    @Test
    void oneValueInAllIsRefused() {
        Large in = new Large(BatchShape.of(1, C), new int[] {0, 1}, 0);
        in.large.collectStatistics(in.x(0));
        in.large.collectStatistics(in.x(1));
        assertThatIllegalArgumentException()
                .isThrownBy(in.large::mergeStatistics)
                .withMessage("mergeStatistics: expected more than 1 value per feature to take batch statistics from,"
                        + " the 2 micro-batches together have 1");
        assertThat(in.layer.numBatchesTracked()).isZero();
        assertThat(in.layer.runningMean()).containsOnly(0);
    }

    @Test
    void badDataAreRefusedAndChangeNothing() {
        Large in = new Large(BatchShape.of(1, C), new int[] {3, 4}, 0);
        Batch wrong = Batch.of(new float[12], BatchShape.of(3, 4));
        illegal(() -> in.large.collectStatistics(wrong), "shape: (3, 4) has 4 features");
        in.large.collectStatistics(in.x(0));
        in.large.collectStatistics(in.x(1));
        in.large.mergeStatistics();
        illegal(() -> in.large.transform(in.x(0), in.y(1)), "y: shape (4, 5) given, must be that of x, (3, 5)");
        illegal(() -> in.large.reduceGradients(in.x(0), in.dy(1)), "dy: shape (4, 5) given");
        in.large.reduceGradients(in.x(0), in.dy(0));
        in.large.reduceGradients(in.x(1), in.dy(1));
        in.large.mergeGradients();
        illegal(() -> in.large.inputGradient(in.x(0), in.dy(0), in.dx(1)), "dx: shape (4, 5) given");
        in.large.clear();
        in.layer.zeroGradients();
        in.layer.resetRunningStatistics();
        in.inOrder().isOneBatch();
    }

    @Test
    void aResidualIsForAllMicroBatchesOrNone() {
        Large in = new Large(BatchShape.of(1, C), new int[] {3, 4}, 0).fusing(RELU, true);
        AccumulatedBatches large = in.large;
        large.collectStatistics(in.x(0));
        large.collectStatistics(in.x(1));
        large.mergeStatistics();
        refused(
                () -> large.reduceGradients(in.x(0), in.y(0), in.dy(0), in.dresidual(0)),
                "reduceGradients: y and dresidual given, but no transform had a residual; call transform(x, residual, y)"
                        + " of each micro-batch first, or reduceGradients(x, dy)");
        illegal(() -> large.transform(in.x(0), null, in.y(0)), "residual: null given");
        illegal(() -> large.transform(in.x(0), in.residual(1), in.y(0)), "residual: shape (4, 5) given");
        large.transform(in.x(0), in.y(0));
        refused(
                () -> large.transform(in.x(1), in.residual(1), in.y(1)),
                "transform: with a residual after micro-batches without one; must be alike for all of a large batch");
        large.clear();
        in.layer.resetRunningStatistics();

        large.collectStatistics(in.x(0));
        large.collectStatistics(in.x(1));
        large.mergeStatistics();
        large.reduceGradients(in.x(0), in.dy(0));
        refused(
                () -> large.transform(in.x(0), in.residual(0), in.y(0)),
                "transform: with a residual after micro-batches without one");
        large.clear();
        in.layer.resetRunningStatistics();

        large.collectStatistics(in.x(0));
        large.collectStatistics(in.x(1));
        large.mergeStatistics();
        large.transform(in.x(0), in.residual(0), in.y(0));
        refused(
                () -> large.transform(in.x(1), in.y(1)),
                "transform: without a residual after micro-batches with one; must be alike for all of a large batch");
        refused(
                () -> large.reduceGradients(in.x(0), in.dy(0)),
                "reduceGradients: micro-batches with a residual, so that the sign of the activation is that of y; call"
                        + " reduceGradients(x, y, dy, dresidual)");
        illegal(
                () -> large.reduceGradients(in.x(0), in.y(0), in.dy(0), in.x(0)),
                "dresidual: overlaps x in 60 of 60 bytes; must have none in common with it");
        assertThat(in.layer.weightGradient()).containsOnly(0);
        large.clear();
        in.layer.resetRunningStatistics();
        in.inOrder().isOneBatch();
    }

    @Test
    void layersThatTakeNoStatisticsOfTheirOwnBatchAreRefused() {
        Large in = new Large(BatchShape.of(1, C), new int[] {3, 4}, 0);
        in.layer.freezeStatistics();
        refused(() -> in.large.collectStatistics(in.x(0)), "collectStatistics: the layer normalizes with its running");
        in.layer.eval();
        refused(() -> in.large.collectStatistics(in.x(0)), "call train() first");
        in.layer.close();
        refused(() -> in.large.collectStatistics(in.x(0)), "the layer is closed");
        illegal(() -> new AccumulatedBatches(null), "layer: null given, must be a BatchNorm");
        try (BatchNorm ofRanks = BatchNorm.builder(C)
                .synchronizedBy(
                        InProcessExchange.group(1, Duration.ofSeconds(1)).get(0))
                .build()) {
            illegal(() -> new AccumulatedBatches(ofRanks), "layer: built with synchronizedBy");
        }
    }

    private static void refused(ThrowingCallable call, String message) {
        assertThatIllegalStateException().isThrownBy(call).withMessageContaining(message);
    }

    private static void illegal(ThrowingCallable call, String message) {
        assertThatIllegalArgumentException().isThrownBy(call).withMessageContaining(message);
    }

    // ---- an example

    /**
     * Training of linear → batch norm → squared error with micro-batches is that with the large batch: the same loss
     * and weights after some steps. Accumulating the gradients of a layer that sees one micro-batch at a time is not.
     */
    @Test
    void trainingWithMicroBatchesIsTrainingWithTheLargeBatch() {
        Regression whole = new Regression(24);
        Regression micro = new Regression(8);
        Regression apart = new Regression(8);
        try (BatchNorm ofWhole = layer(true);
                BatchNorm ofMicro = layer(true);
                BatchNorm ofApart = layer(true)) {
            AccumulatedBatches large = new AccumulatedBatches(ofMicro);
            for (int step = 0; step < 20; step++) {
                whole.stepOfLayer(ofWhole);
                micro.step(ofMicro, large);
                apart.stepOfLayer(ofApart);
            }
            assertThat(difference(whole.weights, micro.weights)).isLessThan(1e-5);
            assertThat(difference(ofWhole.weight(), ofMicro.weight())).isLessThan(1e-5);
            assertThat(difference(ofWhole.runningVar(), ofMicro.runningVar())).isLessThan(1e-5);
            assertThat(difference(whole.weights, apart.weights)).isGreaterThan(1e-3);
        }
    }

    private static double difference(float[] a, float[] b) {
        return IntStream.range(0, a.length)
                .mapToDouble(i -> Math.abs(a[i] - b[i]))
                .max()
                .orElseThrow();
    }

    /** A linear layer of C outputs before batch norm, with targets to fit, in micro-batches. */
    private static final class Regression {
        private static final int SAMPLES = 24;
        private static final int INPUTS = 4;
        private static final float RATE = 0.05f;

        final float[] weights = random(7, INPUTS * C);
        private final float[] in = random(8, SAMPLES * INPUTS);
        private final float[] target = random(9, SAMPLES * C);
        private final float[] weightGradient = new float[weights.length];
        private final int size;
        private final BatchShape shape;

        Regression(int size) {
            this.size = size;
            this.shape = BatchShape.of(size, C);
        }

        /** One step over a large batch: two sweeps forward, two back; only what is between them is kept. */
        void step(BatchNorm layer, AccumulatedBatches large) {
            int parts = SAMPLES / size;
            Batch[] x = new Batch[parts];
            Batch[] y = new Batch[parts];
            for (int i = 0; i < parts; i++) {
                x[i] = linear(i);
                large.collectStatistics(x[i]);
            }
            large.mergeStatistics();
            for (int i = 0; i < parts; i++) {
                y[i] = Batch.of(new float[size * C], shape);
                large.transform(x[i], y[i]);
            }
            for (int i = 0; i < parts; i++) {
                large.reduceGradients(x[i], gradient(i, y[i]));
            }
            large.mergeGradients();
            for (int i = 0; i < parts; i++) {
                Batch dx = Batch.of(new float[size * C], shape);
                large.inputGradient(x[i], gradient(i, y[i]), dx);
                accumulate(i, dx);
            }
            descend(layer);
        }

        /** One step in which the layer sees each micro-batch by itself. */
        void stepOfLayer(BatchNorm layer) {
            for (int i = 0; i < SAMPLES / size; i++) {
                Batch x = linear(i);
                Batch y = Batch.of(new float[size * C], shape);
                layer.forward(x, y);
                Batch dx = Batch.of(new float[size * C], shape);
                layer.backward(x, gradient(i, y), dx);
                accumulate(i, dx);
            }
            descend(layer);
        }

        private Batch linear(int part) {
            float[] x = new float[size * C];
            for (int i = 0; i < x.length; i++) {
                for (int k = 0; k < INPUTS; k++) {
                    x[i] += in[(part * size + i / C) * INPUTS + k] * weights[k * C + i % C];
                }
            }
            return Batch.of(x, shape);
        }

        /** Of half the mean over all samples, not those of the micro-batch, of the squared error. */
        private Batch gradient(int part, Batch y) {
            float[] dy = new float[size * C];
            for (int i = 0; i < dy.length; i++) {
                dy[i] = (y.array()[i] - target[part * size * C + i]) / SAMPLES;
            }
            return Batch.of(dy, shape);
        }

        private void accumulate(int part, Batch dx) {
            for (int i = 0; i < size * C; i++) {
                for (int k = 0; k < INPUTS; k++) {
                    weightGradient[k * C + i % C] += in[(part * size + i / C) * INPUTS + k] * dx.array()[i];
                }
            }
        }

        private void descend(BatchNorm layer) {
            descend(weights, weightGradient);
            descend(layer.weight(), layer.weightGradient());
            descend(layer.bias(), layer.biasGradient());
            Arrays.fill(weightGradient, 0);
            layer.zeroGradients();
        }

        private static void descend(float[] parameters, float[] gradient) {
            for (int i = 0; i < parameters.length; i++) {
                parameters[i] -= RATE * gradient[i];
            }
        }

        private static float[] random(long seed, int length) {
            Random random = new Random(seed);
            float[] values = new float[length];
            for (int i = 0; i < length; i++) {
                values[i] = (float) random.nextGaussian();
            }
            return values;
        }
    }

    // ---- helpers

    private BatchNorm layer(boolean track) {
        return layer(track, Activations.NONE);
    }

    private BatchNorm layer(boolean track, Activations activations) {
        return BatchNorm.builder(C)
                .inputActivation(activations.input())
                .activation(activations.output())
                .eps(EPS)
                .momentum(MOMENTUM)
                .trackRunningStatistics(track)
                .backend(backend())
                .build();
    }

    private static void setParameters(BatchNorm layer, Values batch) {
        System.arraycopy(batch.weight(), 0, layer.weight(), 0, C);
        System.arraycopy(batch.bias(), 0, layer.bias(), 0, C);
    }

    private static int[] parse(String sizes) {
        return Arrays.stream(sizes.split(" ")).mapToInt(Integer::parseInt).toArray();
    }

    /** A large batch, its micro-batches, and what a layer makes of them. */
    private final class Large {
        private final BatchShape sample;
        private final int[] sizes;
        final Values whole;
        final float[] y;
        private final float[] dx;
        private final float[] residual;
        private final float[] dresidual;
        private Activations activations = Activations.NONE;
        private boolean adding;

        /** Whether γ and β change when the statistics are merged. */
        private boolean changing;

        BatchNorm layer;
        AccumulatedBatches large;

        Large(BatchShape sample, int[] sizes, double meanOfDy) {
            this.sample = sample;
            this.sizes = sizes;
            this.whole = Values.random(batch(Arrays.stream(sizes).sum()), 7, 3, 2);
            for (int i = 0; i < whole.dy().length; i++) {
                whole.dy()[i] += (float) meanOfDy;
            }
            this.y = new float[whole.x().length];
            this.dx = new float[whole.x().length];
            this.residual = Values.random(whole.shape(), 8).dy();
            this.dresidual = new float[whole.x().length];
            this.layer = layer(true);
            this.large = new AccumulatedBatches(layer);
        }

        Large fusing(Activations newActivations, boolean addingOne) {
            activations = newActivations;
            adding = addingOne;
            layer = layer(true, activations);
            large = new AccumulatedBatches(layer);
            return this;
        }

        Large trackNothing() {
            layer = layer(false);
            large = new AccumulatedBatches(layer);
            return this;
        }

        Large inOrder() {
            int[] order = IntStream.range(0, sizes.length).toArray();
            return run(order, order, order, order);
        }

        /** All four sweeps, each in its own order. */
        Large run(int[] collect, int[] transform, int[] reduce, int[] input) {
            setParameters(layer, whole);
            for (int i : collect) {
                large.collectStatistics(x(i));
            }
            large.mergeStatistics();
            if (changing) {
                Arrays.fill(layer.weight(), -3);
                Arrays.fill(layer.bias(), 7);
            }
            for (int i : transform) {
                if (adding) {
                    large.transform(x(i), residual(i), y(i));
                } else {
                    large.transform(x(i), y(i));
                }
            }
            for (int i : reduce) {
                if (adding) {
                    large.reduceGradients(x(i), y(i), dy(i), dresidual(i));
                } else {
                    large.reduceGradients(x(i), dy(i));
                }
            }
            large.mergeGradients();
            for (int i : input) {
                large.inputGradient(x(i), adding ? dresidual(i) : dy(i), dx(i));
            }
            return this;
        }

        Batch x(int i) {
            return part(whole.x(), i);
        }

        Batch y(int i) {
            return part(y, i);
        }

        Batch dy(int i) {
            return part(whole.dy(), i);
        }

        Batch dx(int i) {
            return part(dx, i);
        }

        Batch residual(int i) {
            return part(residual, i);
        }

        Batch dresidual(int i) {
            return part(dresidual, i);
        }

        private Batch part(float[] values, int i) {
            long from = batch(Arrays.stream(sizes).limit(i).sum()).bytes();
            return Batch.of(MemorySegment.ofArray(values).asSlice(from), batch(sizes[i]));
        }

        private BatchShape batch(int n) {
            return new BatchShape(n, C, sample.spatial(), sample.layout());
        }

        Step step() {
            return Step.of(layer, whole.shape(), y, dx);
        }

        void isOneBatch() {
            Step step = isOneBatchButTheRunningStatistics();
            if (layer.config().trackRunningStatistics()) {
                BatchShape shape = whole.shape();
                Reference.Statistics batch = Reference.statistics(shape, Reference.widen(activated()), EPS);
                double[] ones = new double[C];
                Arrays.fill(ones, 1);
                double[] unbiased = Reference.unbiased(batch.variance(), shape.valuesPerFeature());
                step.isWithinBar(
                        Quantity.RUNNING_MEAN,
                        Reference.updateRunning(new double[C], batch.mean(), MOMENTUM),
                        Rounded.runningMean(shape, batch.variance(), MOMENTUM));
                step.isWithinBar(Quantity.RUNNING_VAR, Reference.updateRunning(ones, unbiased, MOMENTUM));
                assertThat(layer.numBatchesTracked()).isEqualTo(1);
            }
        }

        private float[] activated() {
            float[] a = whole.x().clone();
            for (int i = 0; i < a.length; i++) {
                a[i] = activations.input().of(a[i]);
            }
            return a;
        }

        /** The gradient by BN(input(x)): the sign is that of the y that there is. */
        private float[] gradient() {
            float[] gradient = whole.dy().clone();
            for (int i = 0; i < gradient.length; i++) {
                gradient[i] = activations.output().gradient(gradient[i], y[i]);
            }
            if (adding) {
                assertThat(dresidual).isEqualTo(gradient);
            }
            return gradient;
        }

        Step isOneBatchButTheRunningStatistics() {
            BatchShape shape = whole.shape();
            double[] x = Reference.widen(activated());
            double[] dy = Reference.widen(gradient());
            double[] gamma = Reference.widen(whole.weight());
            double[] beta = Reference.widen(whole.bias());
            Reference.Statistics batch = Reference.statistics(shape, x, EPS);
            Reference.Gradients gradients = Reference.backward(shape, x, dy, gamma, batch.mean(), batch.rstd(), true);
            Reference.Gradients rounded = Rounded.gradients(shape, x, dy, gamma, batch.mean(), batch.rstd(), true);
            for (int i = 0; i < dy.length; i++) {
                double derivative = activations.input().derivative(whole.x()[i]);
                gradients.dx()[i] *= derivative;
                rounded.dx()[i] *= derivative;
            }
            double[] bn = Reference.transform(shape, x, gamma, beta, batch.mean(), batch.rstd());
            double[] added = Reference.widen(adding ? residual : new float[residual.length]);
            boolean fused = adding || !activations.output().isNone();
            return step().isWithinBar(
                            Quantity.Y,
                            Reference.addResidual(bn, added, activations.output()),
                            fused ? Rounded.withResidual(bn, added) : Rounded.nothing(bn.length))
                    .isWithinBar(Quantity.DX, gradients.dx(), rounded.dx())
                    .isWithinBar(Quantity.DWEIGHT, gradients.dgamma(), rounded.dgamma())
                    .isWithinBar(Quantity.DBIAS, gradients.dbeta(), rounded.dbeta());
        }
    }
}
