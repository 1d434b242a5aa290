package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.offset;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.InProcessExchange;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * In-place training on every backend: the gradients of a layer whose backward knows y, not x, held against exact ones.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class RecomputationContractTest {
    /** A shape for each way in which a CPU cuts its work, and for pieces that are not whole. */
    private static final List<BatchShape> SHAPES = List.of(
            BatchShape.of(32, 128),
            BatchShape.of(61, 200),
            BatchShape.of(40, 2777),
            BatchShape.of(5000, 7),
            BatchShape.of(2, 3),
            BatchShape.channelsFirst(40, 60, 9),
            BatchShape.channelsFirst(11, 3, 2491),
            BatchShape.channelsFirst(3, 5, 196),
            BatchShape.channelsLast(9, 20, 109));

    private static final List<Activation> ACTIVATIONS =
            List.of(Activation.leakyRelu(0.01), Activation.NONE, Activation.leakyRelu(1.5), Activation.leakyRelu(1e-6));

    /** A batch's shape and the activation after batch norm. */
    protected record Given(BatchShape shape, Activation activation) {}

    /** The backend's name, which is forced. */
    protected abstract String backend();

    /** Which activation is the first shape's: not the same on all backends. */
    protected int firstActivation() {
        return 0;
    }

    /** Those of the default build: every shape with one of the activations, in turn. */
    protected Stream<Given> cases() {
        return cases(SHAPES, 1);
    }

    /** Those of the thorough build, of which everything is asked: every shape with all of them. */
    protected Stream<Given> everyCase() {
        return cases(SHAPES, ACTIVATIONS.size());
    }

    /** Shapes with so many of the activations each. */
    protected final Stream<Given> cases(List<BatchShape> shapes, int activationsOfShape) {
        List<Given> cases = new ArrayList<>();
        int next = firstActivation();
        for (BatchShape shape : shapes) {
            for (int i = 0; i < activationsOfShape; i++) {
                cases.add(new Given(shape, ACTIVATIONS.get(next++ % ACTIVATIONS.size())));
            }
        }
        return cases.stream();
    }

    @Tag("thorough")
    @ParameterizedTest
    @MethodSource("everyCase")
    void everyCombination(Given given) {
        training(given);
        frozen(given);
        featuresBeyondFloat32(given);
        meansBeyondFloat32(given);
        gammaSmallBesideBeta(given);
        placesAndThreadsGiveTheSameBits(given);
        stagesGiveTheWholeOperation(given);
        inDoublePrecision(given);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void training(Given given) {
        Values batch = random(given.shape, 1);
        trainsWithinBar(batch, given.activation);
    }

    private void trainsWithinBar(Values batch, Activation activation) {
        try (BatchNorm layer = layer(batch.shape(), activation)) {
            isWithinBarOfTraining(step(layer, batch), batch, activation);
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void frozen(Given given) {
        BatchShape shape = given.shape;
        Activation activation = given.activation;
        Values batch = random(shape, 2);
        try (BatchNorm layer = layer(shape, activation)) {
            for (int c = 0; c < shape.c(); c++) {
                layer.runningMean()[c] = 0.2f * (c % 5 - 2);
                layer.runningVar()[c] = 0.5f + 0.25f * (c % 4);
            }
            Step step = step(layer.freezeStatistics(), batch);

            double[] mean = Reference.widen(layer.runningMean());
            double[] variance = Reference.widen(layer.runningVar());
            double[] rstd = Reference.rstd(variance, LayerCalls.EPS);
            isWithinBar(step, batch, activation, new Reference.Statistics(mean, variance, rstd), false);
        }
    }

    /** Features that are mapped in double precision, as float32 does not hold their gamma · rstd. */
    @ParameterizedTest
    @MethodSource("cases")
    void featuresBeyondFloat32(Given given) {
        BatchShape shape = given.shape;
        Values batch = random(shape, 3);
        for (int i = 0; i < batch.x().length; i++) {
            batch.x()[i] *= Reference.feature(shape, i) % 2 == 0 ? 1e34f : 1;
        }
        for (int c = 0; c < shape.c(); c++) {
            batch.weight()[c] *= c % 2 == 0 ? 1e-6f : 1;
            batch.bias()[c] *= c % 2 == 0 ? 1e-6f : 1;
        }
        trainsWithinBar(batch, given.activation);
    }

    /** Of means so large that the forward maps in double precision, with a dy whose mean is not 0. */
    @ParameterizedTest
    @MethodSource("cases")
    void meansBeyondFloat32(Given given) {
        BatchShape shape = given.shape;
        Values batch = random(shape, 6);
        for (int i = 0; i < batch.x().length; i++) {
            batch.x()[i] = 1e32f + 1e27f * batch.x()[i];
            batch.dy()[i] += 0.4f;
        }
        for (int c = 0; c < shape.c(); c++) {
            batch.weight()[c] = c % 2 == 0 ? 1 : -1;
            batch.bias()[c] = 1000;
        }
        trainsWithinBar(batch, given.activation);
    }

    /** Up to the very limit, with a dy whose mean is not 0, by which dγ would feel a mean of z that is not quite β. */
    @ParameterizedTest
    @MethodSource("cases")
    void gammaSmallBesideBeta(Given given) {
        BatchShape shape = given.shape;
        Values batch = random(shape, 4);
        for (int i = 0; i < batch.dy().length; i++) {
            batch.dy()[i] += 0.4f;
        }
        for (int c = 0; c < shape.c(); c++) {
            batch.weight()[c] = (c % 2 == 0 ? 1 : -1) * (0.01f + c % 7);
            batch.bias()[c] = batch.weight()[c] * (c % 3 == 0 ? 1024 : c % 3 == 1 ? -1000 : 30);
        }
        trainsWithinBar(batch, given.activation);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void placesAndThreadsGiveTheSameBits(Given given) {
        BatchShape shape = given.shape;
        Activation activation = given.activation;
        Values batch = random(shape, 5);
        try (BatchNorm one = layer(shape, activation);
                BatchNorm several = builder(shape, activation).threads(3).build();
                Arena arena = Arena.ofShared()) {
            Step expected = step(one, batch);
            set(several, batch);
            MemorySegment y = arena.allocateFrom(ValueLayout.JAVA_FLOAT, batch.x());
            MemorySegment dy = arena.allocateFrom(ValueLayout.JAVA_FLOAT, batch.dy());
            several.forward(y, y, shape);
            assertThat(y.toArray(ValueLayout.JAVA_FLOAT)).as("y in x").isEqualTo(expected.get(Quantity.Y));
            several.backward(y, dy, y, shape);
            assertThat(y.toArray(ValueLayout.JAVA_FLOAT)).as("dx in y").isEqualTo(expected.get(Quantity.DX));
            assertThat(several.weightGradient()).isEqualTo(expected.get(Quantity.DWEIGHT));
            assertThat(several.biasGradient()).isEqualTo(expected.get(Quantity.DBIAS));

            Batch onHeap = Batch.of(
                    MemorySegment.ofArray(new float[batch.x().length + 1]).asSlice(Float.BYTES), shape);
            several.forward(Batch.of(batch.x(), shape), onHeap);
            several.backward(onHeap, Batch.of(dy, shape), Batch.of(dy, shape));
            assertThat(dy.toArray(ValueLayout.JAVA_FLOAT)).as("dx in dy").isEqualTo(expected.get(Quantity.DX));
        }
    }

    /** The stages one by one, as those who merge gradients call them. */
    @ParameterizedTest
    @MethodSource("cases")
    void stagesGiveTheWholeOperation(Given given) {
        BatchShape shape = given.shape;
        Activation activation = given.activation;
        Values batch = random(shape, 6);
        Tensors tensors = new Tensors(new Activations(Activation.NONE, activation));
        BatchStatistics statistics = new BatchStatistics(shape.c());
        statistics.count(shape.valuesPerFeature());
        Normalization normalization = new Normalization(batch.weight(), batch.bias(), LayerCalls.EPS, statistics, true);
        Batch y = Batch.of(batch.x().clone(), shape);
        Batch dy = Batch.of(batch.dy(), shape);
        Batch dx = Batch.of(new float[batch.x().length], shape);
        Batch ofStages = Batch.of(new float[batch.x().length], shape);
        GradientSums sums = new GradientSums(shape.c());
        GradientSums sumsOfStages = new GradientSums(shape.c());
        try (BatchNormOperations operations = open()) {
            operations.forward(tensors.forward(y, y), normalization);
            operations.backward(tensors.backwardFromOutput(y, dy, dx), normalization, sums);
            tensors.backwardFromOutput(y, dy, ofStages);
            operations.reduceGradients(tensors, normalization, sumsOfStages);
            operations.inputGradient(tensors, normalization, sumsOfStages);
        }
        // Those of a stage may be a part of the values whose mean it has, so that it adds up dy as it is.
        Near.assertNear("dx", ofStages.array(), dx.array(), 2e-5);
        Near.assertNear("dgamma", sumsOfStages.dgamma(), sums.dgamma(), 1e-3);
        Near.assertNear("dbeta", sumsOfStages.dbeta(), sums.dbeta(), 1e-3);
    }

    /** FLOAT64, against the same layer with x, which is held against exact results elsewhere. */
    @ParameterizedTest
    @MethodSource("cases")
    void inDoublePrecision(Given given) {
        BatchShape shape = given.shape;
        Activation activation = given.activation;
        Values batch = random(shape, 7);
        double[] x = Reference.widen(batch.x());
        Batch dy = Batch.of(Reference.widen(batch.dy()), shape);
        Batch dx = Batch.of(new double[x.length], shape);
        Batch dxOfX = Batch.of(new double[x.length], shape);
        try (BatchNorm layer = builder(shape, activation)
                        .elementType(ElementType.FLOAT64)
                        .build();
                BatchNorm ofX = builder(shape, activation)
                        .elementType(ElementType.FLOAT64)
                        .recomputeInputFromOutput(false)
                        .build()) {
            for (Mode mode : List.of(Mode.TRAINING, Mode.FROZEN)) {
                for (BatchNorm each : List.of(layer, ofX)) {
                    each.mode(mode).zeroGradients();
                    Arrays.setAll(each.doubleWeight(), c -> batch.weight()[c]);
                    Arrays.setAll(each.doubleBias(), c -> batch.bias()[c]);
                    Batch y = Batch.of(x.clone(), shape);
                    each.forward(y, y);
                    each.backward(each == layer ? y : Batch.of(x.clone(), shape), dy, each == layer ? dx : dxOfX);
                }
                double tolerance = 1e-11 * shape.valuesPerFeature();
                Near.assertNear(mode + " dx", dx.doubles(), dxOfX.doubles(), 1e-10);
                Near.assertNear(mode + " dgamma", layer.doubleWeightGradient(), ofX.doubleWeightGradient(), tolerance);
                Near.assertNear(mode + " dbeta", layer.doubleBiasGradient(), ofX.doubleBiasGradient(), tolerance);
            }
        }
    }

    @Test
    void gradientsAreThoseOfFiniteDifferences() {
        BatchShape shape = BatchShape.of(6, 3);
        // Of this seed no value lies so near a kink that the differences reach over it.
        Values batch = random(shape, 8);
        try (BatchNorm layer = layer(shape, Activation.leakyRelu(0.3))) {
            Step step = step(layer, batch);
            float h = 0x1p-10f;
            for (int i = 0; i < batch.x().length; i++) {
                float[] more = batch.x().clone();
                float[] less = batch.x().clone();
                more[i] += h;
                less[i] -= h;
                double slope = (loss(layer, batch.withX(more)) - loss(layer, batch.withX(less))) / (2 * h);

                assertThat(step.get(Quantity.DX)[i]).as("dx[%d]", i).isCloseTo((float) slope, offset(2e-3f));
            }
            for (int c = 0; c < shape.c(); c++) {
                float gamma = batch.weight()[c];
                batch.weight()[c] = gamma + h;
                double above = loss(layer, batch);
                batch.weight()[c] = gamma - h;
                double below = loss(layer, batch);
                batch.weight()[c] = gamma;

                assertThat(step.get(Quantity.DWEIGHT)[c]).isCloseTo((float) ((above - below) / (2 * h)), offset(2e-3f));
            }
        }
    }

    private static double loss(BatchNorm layer, Values batch) {
        set(layer, batch);
        float[] y = new float[batch.x().length];
        layer.forward(batch.x(), y, batch.shape());
        double loss = 0;
        for (int i = 0; i < y.length; i++) {
            loss += (double) y[i] * batch.dy()[i];
        }
        return loss;
    }

    /** As an optimizer does that goes by micro-batches: y was made with the γ and β that were. */
    @ParameterizedTest
    @EnumSource(names = {"TRAINING", "FROZEN"})
    void gammaAndBetaAreThoseOfTheForward(Mode mode) {
        BatchShape shape = BatchShape.channelsFirst(5, 7, 13);
        Values batch = random(shape, 9);
        try (BatchNorm layer = layer(shape, Activation.leakyRelu(0.1))) {
            Step expected = step(layer.mode(mode), batch);
            layer.zeroGradients();
            SavedStatistics first = new SavedStatistics(shape.c());
            SavedStatistics second = new SavedStatistics(shape.c());
            Batch y = Batch.of(batch.x().clone(), shape);
            Batch dx = Batch.of(new float[batch.x().length], shape);
            layer.forward(y, y, first);
            Arrays.fill(layer.weight(), 2);
            Arrays.fill(layer.bias(), 3);
            layer.forward(Batch.of(batch.x(), shape), dx, second);
            layer.backward(y, Batch.of(batch.dy(), shape), dx, first);

            assertThat(dx.array()).isEqualTo(expected.get(Quantity.DX));
            assertThat(layer.weightGradient()).isEqualTo(expected.get(Quantity.DWEIGHT));
            assertThat(layer.biasGradient()).isEqualTo(expected.get(Quantity.DBIAS));
        }
    }

    @Test
    void withoutParameters() {
        BatchShape shape = BatchShape.channelsFirst(5, 7, 13);
        Values batch = random(shape, 10);
        try (BatchNorm layer =
                        builder(shape, Activation.leakyRelu(0.2)).affine(false).build();
                BatchNorm ofX = builder(shape, Activation.leakyRelu(0.2))
                        .affine(false)
                        .recomputeInputFromOutput(false)
                        .build()) {
            assertThat(step(layer, batch).get(Quantity.DX))
                    .containsExactly(Step.run(ofX, batch).get(Quantity.DX), offset(1e-6f));
        }
    }

    /** x of another type, and gradients of other types, which are rounded once; y is float32. */
    @Test
    void typesOfTheOthers() {
        assumeThat(takes16Bit()).as("a backend that takes 16-bit types").isTrue();
        BatchShape shape = BatchShape.channelsLast(9, 20, 109);
        Values batch = random(shape, 11);
        int length = batch.x().length;
        Batch x = Batch.of(new short[length], ElementType.FLOAT16, shape);
        x.copyFrom(batch.x(), 0, 0, length);
        x.copyTo(0, batch.x(), 0, length);
        Batch dy = Batch.of(new short[length], ElementType.BFLOAT16, shape);
        dy.copyFrom(batch.dy(), 0, 0, length);
        dy.copyTo(0, batch.dy(), 0, length);
        try (BatchNorm layer = layer(shape, Activation.leakyRelu(0.1))) {
            Step expected = step(layer, batch);
            layer.zeroGradients();
            Batch y = Batch.of(new float[length], shape);
            layer.forward(x, y);
            layer.backward(y, dy, dy);
            float[] dx = new float[length];
            dy.copyTo(0, dx, 0, length);

            for (int i = 0; i < length; i++) {
                float exact = expected.get(Quantity.DX)[i];
                assertThat(dx[i]).isCloseTo(exact, offset(Math.abs(exact) * 0x1.01p-8f + 1e-6f));
            }
            assertThat(layer.weightGradient()).containsExactly(expected.get(Quantity.DWEIGHT), offset(2e-4f));
        }
    }

    private boolean takes16Bit() {
        try (BatchNormOperations operations = open()) {
            return operations.takes16Bit();
        }
    }

    private BatchNormOperations open() {
        return Backends.open(Optional.of(backend()), BackendOptions.fromSystemProperties())
                .operations();
    }

    /** Each slice as a batch of its own. */
    @Test
    void ghostBatches() {
        BatchShape slice = BatchShape.of(40, 33);
        Values first = random(slice, 12);
        Values random = random(slice, 13);
        Values second = new Values(slice, random.x(), random.dy(), first.weight(), first.bias());
        float[] y = Arrays.copyOf(first.x(), 2 * first.x().length);
        float[] dy = Arrays.copyOf(first.dy(), y.length);
        System.arraycopy(second.x(), 0, y, first.x().length, first.x().length);
        System.arraycopy(second.dy(), 0, dy, first.x().length, first.x().length);
        try (BatchNorm layer = layer(slice, Activation.leakyRelu(0.1));
                BatchNorm ghost =
                        builder(slice, Activation.leakyRelu(0.1)).ghostBatch(40).build()) {
            set(ghost, first);
            ghost.forward(y, y, BatchShape.of(80, 33));
            ghost.backward(y, dy, y, BatchShape.of(80, 33));
            Step[] steps = {step(layer, first), step(layer, second)};
            for (int i = 0; i < 2; i++) {
                float[] part = Arrays.copyOfRange(y, i * 40 * 33, (i + 1) * 40 * 33);
                assertThat(part).as("dx of slice %d", i).isEqualTo(steps[i].get(Quantity.DX));
            }
            assertThatSumsAre(ghost.weightGradient(), steps, Quantity.DWEIGHT);
            assertThatSumsAre(ghost.biasGradient(), steps, Quantity.DBIAS);
        }
    }

    /** Of the slices' gradients, which are rounded themselves. */
    private static void assertThatSumsAre(float[] actual, Step[] slices, Quantity quantity) {
        for (int c = 0; c < actual.length; c++) {
            double first = slices[0].get(quantity)[c];
            double second = slices[1].get(quantity)[c];
            assertThat((double) actual[c])
                    .as("%s[%d]", quantity, c)
                    .isCloseTo(first + second, offset((Math.abs(first) + Math.abs(second)) * 0x1p-23));
        }
    }

    /** In place, the padding being zeros. */
    @Test
    void paddedSequences() {
        BatchShape shape = BatchShape.channelsFirst(4, 5, 9);
        int[] lengths = {9, 3, 0, 7};
        Values batch = random(shape, 14);
        try (BatchNorm layer = layer(shape, Activation.leakyRelu(0.1));
                BatchNorm ofX = builder(shape, Activation.leakyRelu(0.1))
                        .recomputeInputFromOutput(false)
                        .build()) {
            float[][] dx = new float[2][batch.x().length];
            for (int i = 0; i < 2; i++) {
                BatchNorm each = i == 0 ? layer : ofX;
                set(each, batch);
                PaddedSequences sequences = new PaddedSequences(each, PaddedSequences.Padding.ZERO);
                Batch y = Batch.of(batch.x().clone(), shape);
                sequences.forward(y, y, lengths);
                Batch input = i == 0 ? y : Batch.of(batch.x(), shape);
                sequences.backward(input, Batch.of(batch.dy(), shape), Batch.of(dx[i], shape));
            }
            assertThat(dx[0]).containsExactly(dx[1], offset(1e-5f));
            assertThat(layer.weightGradient()).containsExactly(ofX.weightGradient(), offset(1e-5f));
        }
    }

    @Test
    void aValueThatIsNotFiniteSpoilsItsFeatureAlone() {
        BatchShape shape = BatchShape.channelsFirst(5, 7, 13);
        Values batch = random(shape, 15);
        try (BatchNorm layer = layer(shape, Activation.leakyRelu(0.1))) {
            Step good = step(layer, batch);
            batch.x()[13 * 3 + 5] = Float.POSITIVE_INFINITY;
            layer.resetRunningStatistics();
            Step spoiled = step(layer, batch);

            spoiled.isBitwiseButInFeature(3, good);
            assertThat(spoiled.get(Quantity.DX)[13 * 3]).isNaN();
            assertThat(spoiled.get(Quantity.DWEIGHT)[3]).isNaN();
        }
    }

    /** A function has arrays of its caller, and overwrites the gradients. */
    @Test
    void functions() {
        BatchShape shape = BatchShape.of(61, 20);
        Values batch = random(shape, 16);
        try (BatchNorm layer = layer(shape, Activation.leakyRelu(0.1));
                BatchNormFunction function = BatchNormFunction.builder(20)
                        .backend(backend())
                        .activation(Activation.leakyRelu(0.1))
                        .recomputeInputFromOutput(true)
                        .build()) {
            Step expected = step(layer, batch);
            Parameters parameters = new Parameters(batch.weight(), batch.bias(), new float[20], new float[20]);
            SavedStatistics saved = new SavedStatistics(20);
            Batch y = Batch.of(batch.x().clone(), shape);
            function.forward(y, y, parameters, saved);
            function.backward(y, Batch.of(batch.dy(), shape), y, parameters, saved);

            assertThat(y.array()).isEqualTo(expected.get(Quantity.DX));
            assertThat(parameters.dgamma()).isEqualTo(expected.get(Quantity.DWEIGHT));
            assertThat(parameters.dbeta()).isEqualTo(expected.get(Quantity.DBIAS));
        }
    }

    // ---- what is refused

    @ParameterizedTest
    @CsvSource({"0, 0", "1e-4, 0.5", "-0.0009, 1", "1e-25, 0", "NaN, 0", "1, NaN", "1, Infinity", "1e25, 0"})
    void aGammaOfWhichTheInputCannotBeToldIsRefusedBeforeAnythingIsWritten(float gamma, float beta) {
        BatchShape shape = BatchShape.of(8, 3);
        Values batch = random(shape, 17);
        try (BatchNorm layer = layer(shape, Activation.leakyRelu(0.1))) {
            float[] y = batch.x().clone();
            layer.weight()[1] = gamma;
            layer.bias()[1] = beta;
            assertThatThrownBy(() -> layer.forward(y, y, shape))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("gamma[1]: " + (double) gamma + " beside beta[1] of " + (double) beta)
                    .hasMessageContaining("must be |beta| / 1024 or more")
                    .hasMessageContaining("build without recomputeInputFromOutput");
            assertThatThrownBy(() -> layer.freezeStatistics().forward(y, y, shape))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThat(y).isEqualTo(batch.x());
            assertThat(layer.numBatchesTracked()).isZero();
            assertThat(layer.runningMean()).containsOnly(0);
            assertThatThrownBy(() -> layer.backward(y, batch.dy(), y, shape))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("no forward is waiting");

            layer.eval().forward(batch.x(), y, shape);
            layer.useBatchStatistics(true).forward(batch.x(), y, shape);
            assertThat(y[0]).as("inference").isFinite().isNotEqualTo(batch.x()[0]);
        }
    }

    @Test
    void whatCannotBeServedIsRefused() {
        BatchShape shape = BatchShape.of(8, 3);
        Batch x = Batch.of(new float[24], shape);
        Batch half = Batch.of(new short[24], ElementType.FLOAT16, shape);
        assertThatThrownBy(() -> builder(shape, Activation.relu()).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("recomputeInputFromOutput: true given, but the activation relu cannot be undone");
        assertThatThrownBy(() -> builder(shape, Activation.leakyRelu(1e-7)).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("must be none, or leakyRelu with a slope of 1e-6 to 1e6");
        assertThatThrownBy(() -> builder(shape, Activation.NONE)
                        .inputActivation(Activation.leakyRelu(0.1))
                        .build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("recomputeInputFromOutput: true given, but inputActivation");
        assertThatThrownBy(() -> builder(shape, Activation.NONE)
                        .synchronizedBy(InProcessExchange.group(1, Duration.ofSeconds(1))
                                .getFirst())
                        .build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("recomputeInputFromOutput: true given, but synchronizedBy");
        try (BatchNorm layer = layer(shape, Activation.NONE)) {
            assertThatThrownBy(() -> layer.forward(x, x, x))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("residual: given, but the input cannot be recomputed");
            assertThatThrownBy(() -> layer.forward(x, half))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("y: FLOAT16 given");
            layer.forward(x, x);
            assertThatThrownBy(() -> layer.backward(half, x, x))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("y: FLOAT16 given");
            layer.backward(x, x, x);
            assertThatThrownBy(() -> new AccumulatedBatches(layer))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("layer: built with recomputeInputFromOutput");
        }
    }

    // ---- helpers

    /** γ of both signs, and not small beside β but where a test wants that. */
    private static Values random(BatchShape shape, long seed) {
        Values batch = Values.random(shape, seed);
        for (int c = 0; c < shape.c(); c++) {
            float size = Math.max(Math.abs(batch.weight()[c]), Math.abs(batch.bias()[c]) / 16);
            batch.weight()[c] = c % 3 == 1 ? -size : size;
        }
        return batch;
    }

    /** A forward in place, and the backward of what it wrote. */
    private static Step step(BatchNorm layer, Values batch) {
        if (layer.config().affine()) {
            set(layer, batch);
        }
        layer.zeroGradients();
        float[] y = batch.x().clone();
        float[] dy = batch.dy().clone();
        float[] dx = new float[y.length];
        layer.forward(y, y, batch.shape());
        float[] kept = y.clone();
        layer.backward(y, dy, dx, batch.shape());
        assertThat(y).as("y, an input").isEqualTo(kept);
        assertThat(dy).as("dy, an input").isEqualTo(batch.dy());
        return Step.of(layer, batch.shape(), y, dx);
    }

    private static void set(BatchNorm layer, Values batch) {
        System.arraycopy(batch.weight(), 0, layer.weight(), 0, batch.weight().length);
        System.arraycopy(batch.bias(), 0, layer.bias(), 0, batch.bias().length);
    }

    private static void isWithinBarOfTraining(Step step, Values batch, Activation activation) {
        Reference.Statistics statistics =
                Reference.statistics(batch.shape(), Reference.widen(batch.x()), LayerCalls.EPS);
        isWithinBar(step, batch, activation, statistics, true);
    }

    private static void isWithinBar(
            Step step, Values batch, Activation activation, Reference.Statistics statistics, boolean through) {
        Values before = InPlaceBar.beforeActivation(batch, step.get(Quantity.Y), activation);
        Reference.Gradients gradients = InPlaceBar.expected(before, statistics, through);
        Reference.Gradients rounded = InPlaceBar.rounded(before, statistics, through);
        step.isWithinBar(Quantity.DX, gradients.dx(), rounded.dx())
                .isWithinBar(Quantity.DWEIGHT, gradients.dgamma(), rounded.dgamma())
                .isWithinBar(Quantity.DBIAS, gradients.dbeta(), rounded.dbeta());
    }

    private BatchNorm layer(BatchShape shape, Activation activation) {
        return builder(shape, activation).threads(1).build();
    }

    private BatchNormBuilder builder(BatchShape shape, Activation activation) {
        return BatchNorm.builder(shape.c())
                .backend(backend())
                .activation(activation)
                .recomputeInputFromOutput(true);
    }
}
