package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.InPlaceBar;
import org.batchnorm.Values;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/** In-place training in a caller's graph: y is written over x, and the backward has y alone. */
class InPlaceTest {
    private static final Activation LEAKY = Activation.leakyRelu(0.01);
    private static final BatchShape SMALL = BatchShape.of(8, 5);

    /** The largest batch, the samples of this one, what the device is like, and the activation. */
    static Stream<Arguments> cases() {
        return Stream.of(
                Arguments.of(BatchShape.of(300, 40), 211, Layers.TWO_STAGES, LEAKY),
                Arguments.of(
                        BatchShape.channelsFirst(4, 3, 31, 33),
                        3,
                        Layers.TWO_STAGES_FLOAT64,
                        Activation.leakyRelu(1.5)),
                Arguments.of(BatchShape.channelsFirst(30, 8, 3, 3), 30, Layers.TWO_STAGES, Activation.NONE),
                Arguments.of(BatchShape.of(60, 40), 41, Layers.AS_GPU, Activation.leakyRelu(1e-6)));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void trainingIsWithinBar(BatchShape largest, int n, DeviceLimits limits, Activation activation) throws Exception {
        Step step = new Step(largest, n, limits, activation);
        step.run(pieces -> {
            pieces.forward(step.y, step.y);
            pieces.backward(step.y, step.dy, step.dx);
        });
        step.check("training", step.statistics(), true);
    }

    /** By way of the caller's arrays. */
    @ParameterizedTest
    @MethodSource("cases")
    void stepsAreWithinBar(BatchShape largest, int n, DeviceLimits limits, Activation activation) throws Exception {
        Step step = new Step(largest, n, limits, activation);
        int c = largest.c();
        DoubleArray moments = Summaries.array(c);
        DoubleArray sums = Summaries.array(c);
        step.run(pieces -> {
            pieces.collectStatistics(step.y, moments);
            pieces.mergeStatistics(moments);
            pieces.transform(step.y, step.y);
            pieces.reduceGradients(step.y, step.dy, moments, sums);
            pieces.mergeGradients(sums);
            pieces.inputGradient(step.y, step.dy, step.dx);
        });
        step.check("steps", step.statistics(), true);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void frozenIsWithinBar(BatchShape largest, int n, DeviceLimits limits, Activation activation) throws Exception {
        Step step = new Step(largest, n, limits, activation);
        int c = largest.c();
        for (int i = 0; i < c; i++) {
            step.norm.runningStatistics().set(i, 0.1f * (i % 7 - 3));
            step.norm.runningStatistics().set(c + i, 0.5f + 0.25f * (i % 5));
        }
        double[] mean = Layers.doubles(step.norm.runningStatistics(), 0, c);
        double[] variance = Layers.doubles(step.norm.runningStatistics(), c, c);
        double[] rstd = Reference.rstd(variance, step.norm.config().eps());
        step.run(pieces -> {
            pieces.frozenForward(step.y, step.y);
            pieces.frozenBackward(step.y, step.dy, step.dx);
        });
        step.check("frozen", new Reference.Statistics(mean, variance, rstd), false);
    }

    /**
     * What rounding takes from sums of distances counts as often as dy has a mean. Of values of two magnitudes, sums of
     * two distances are exactly 0.
     */
    @Test
    void theGradientOfGammaKeepsItsDigitsWhateverTheMeanOfDy() throws Exception {
        BatchShape shape = BatchShape.of(4096, 8);
        Values random = Values.random(shape, 7);
        for (int i = 0; i < random.x().length; i++) {
            int feature = i % shape.c();
            random.x()[i] = feature < 4 ? Math.copySign(1, random.x()[i]) : random.x()[i];
            random.dy()[i] = feature % 2 == 0 ? 1 : random.dy()[i] + 1000;
        }
        for (int c = 0; c < shape.c(); c++) {
            random.weight()[c] = 0.7f + 0.1f * c;
        }
        Values batch = new Values(shape, random.x(), random.dy(), random.weight(), new float[shape.c()]);
        Step step = new Step(shape, batch, Layers.TWO_STAGES, Activation.NONE);
        step.run(pieces -> {
            pieces.forward(step.y, step.y);
            pieces.backward(step.y, step.dy, step.dx);
        });
        step.check("a large mean of dy", step.statistics(), true);
    }

    /** The sums over some samples of a batch, whose mean is another one than theirs, with and without their moments. */
    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64"})
    void sumsOfAPartAreThoseOfItsShareOfTheBatch(ElementType type) throws Exception {
        BatchShape whole = BatchShape.of(300, 40);
        int c = whole.c();
        int n = 120;
        Values batch = values(whole);
        double[] x = Reference.widen(batch.x());
        Reference.Statistics statistics = Reference.statistics(whole, x, BatchNormConfig.DEFAULT_EPS);
        float[] partOfX = Arrays.copyOf(batch.x(), n * c);
        BatchShape shape = BatchShape.of(n, c);
        Reference.Statistics ofPart =
                Reference.statistics(shape, Reference.widen(partOfX), BatchNormConfig.DEFAULT_EPS);
        Moments moments = new Moments(c);
        moments.count(n);
        for (int i = 0; i < c; i++) {
            moments.mean()[i] = ofPart.mean()[i];
            moments.m2()[i] = ofPart.variance()[i] * n;
        }
        DoubleArray momentsOfPart = Summaries.array(c, type);
        Summaries.write(moments, momentsOfPart);
        DoubleArray sums = Summaries.array(c, type);
        DoubleArray asGiven = Summaries.array(c, type);
        // What the test multiplies in float32 must be exact where the kernel has float64.
        Activation activation = type == ElementType.FLOAT64 ? Activation.leakyRelu(0.25) : LEAKY;
        Part part = new Part(config(type, c), activation, shape, batch, statistics);
        part.run(momentsOfPart, sums, asGiven);

        Values before = InPlaceBar.beforeActivation(
                new Values(shape, partOfX, Arrays.copyOf(batch.dy(), n * c), batch.weight(), batch.bias()),
                part.output(),
                activation);
        double[] dgamma = InPlaceBar.expected(before, statistics, false).dgamma();
        double[] rounded = InPlaceBar.rounded(before, statistics, false).dgamma();
        double unit = type == ElementType.FLOAT64 ? 0x1p-46 : 0x1p-24;
        for (DoubleArray of : List.of(sums, asGiven)) {
            GradientSums read = new GradientSums(c);
            Summaries.read(of, read);
            for (int i = 0; i < c; i++) {
                assertThat(read.dgamma()[i])
                        .as("dgamma[%d]", i)
                        .isCloseTo(dgamma[i], within(8 * unit * (Math.abs(dgamma[i]) + rounded[i])));
            }
        }
    }

    /** Even where it would fit on chip, which such a backward never is. */
    @Test
    void theBackwardIsInTwoStages() {
        GridScheduler grids = new GridScheduler();
        FloatArray y = new FloatArray(40);
        Pieces pieces = inPlace(SMALL, Activation.NONE).build(Layers.AS_GPU).on(new TaskGraph("step"), grids);
        pieces.forward(y, y);
        pieces.backward(y, y, y);
        assertThat(grids.keySet())
                .containsExactlyInAnyOrder(
                        "step.norm_forwardOnChip",
                        "step.norm_reduceGradients",
                        "step.norm_mergeGradients",
                        "step.norm_inputGradient");
    }

    // ---- what is refused

    @Test
    void activationsThatCannotBeUndoneAreRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> inPlace(SMALL, Activation.relu()).build(Layers.OWN))
                .withMessage("recomputeInputFromOutput: true given, but the activation relu cannot be undone; must be"
                        + " none, or leakyRelu with a slope of 1e-6 to 1e6");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> inPlace(SMALL, Activation.leakyRelu(1e-7)).build(Layers.OWN))
                .withMessageContaining("cannot be undone");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> inPlace(SMALL, LEAKY).inputActivation(LEAKY).build(Layers.OWN))
                .withMessageStartingWith("recomputeInputFromOutput: true given, but inputActivation, too");
        assertThatCode(() -> inPlace(SMALL, Activation.relu())
                        .recomputeInputFromOutput(false)
                        .build(Layers.OWN))
                .doesNotThrowAnyException();
    }

    @Test
    void residualsAreRefused() {
        FloatArray x = new FloatArray(40);
        FloatArray residual = new FloatArray(40);
        GridScheduler grids = new GridScheduler();
        Pieces pieces = inPlace(SMALL, LEAKY).build(Layers.OWN).on(new TaskGraph("step"), grids);
        List<ThrowingCallable> refused = List.of(
                () -> pieces.forward(x, residual, x),
                () -> pieces.transform(x, residual, x),
                () -> pieces.frozenForward(x, residual, x),
                () -> pieces.residualGradient(x, x, residual),
                () -> pieces.backward(x, x, x, x, residual),
                () -> pieces.frozenBackward(x, x, x, x, residual));
        for (ThrowingCallable piece : refused) {
            assertThatIllegalArgumentException()
                    .isThrownBy(piece)
                    .withMessageContaining("residual: given, but the input cannot be recomputed from an output");
        }
        assertThat(grids.keySet()).isEmpty();
    }

    /** A y of 16 bits, where a device has them; x, dy and dx may be of them. */
    @Test
    void anOutputOf16BitsIsRefused() {
        HalfFloatArray half = new HalfFloatArray(40);
        FloatArray y = new FloatArray(40);
        DeviceLimits limits = new DeviceLimits(4, 256, 0, true, true, true);
        GridScheduler grids = new GridScheduler();
        Pieces pieces = inPlace(SMALL, LEAKY).build(limits).on(new TaskGraph("step"), grids);
        DoubleArray sums = Summaries.array(SMALL.c());
        List<ThrowingCallable> refused = List.of(
                () -> pieces.forward(y, half),
                () -> pieces.transform(y, half),
                () -> pieces.frozenForward(y, half),
                () -> pieces.backward(half, y, y),
                () -> pieces.frozenBackward(half, y, y),
                () -> pieces.reduceGradients(half, y, sums),
                () -> pieces.inputGradient(half, y, y),
                () -> pieces.frozenInputGradient(half, y, y));
        for (ThrowingCallable piece : refused) {
            assertThatIllegalArgumentException()
                    .isThrownBy(piece)
                    .withMessage("y: HalfFloatArray given, of which the input is recomputed with too few digits; must"
                            + " be a FloatArray, or build without recomputeInputFromOutput");
        }
        assertThat(grids.keySet()).isEmpty();
        pieces.forward(half, y);
        pieces.backward(y, half, half);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.backward(new FloatArray(39), y, y))
                .withMessageStartingWith("y: an array of 39 values given");
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64"})
    void parametersOfTheHostAreChecked(ElementType type) {
        BatchNormTasks norm = BatchNormTasks.builder("norm", config(type, SMALL.c()), SMALL)
                .recomputeInputFromOutput(true)
                .build(Layers.OWN);
        norm.requireRecoverableInput();
        setParameters(norm, type, 3, 0.001, 1);
        norm.requireRecoverableInput();
        setParameters(norm, type, 3, 0.0009765, 1);
        assertThatIllegalArgumentException()
                .isThrownBy(norm::requireRecoverableInput)
                .withMessageStartingWith("gamma[3]: 9.76")
                .withMessageContaining("beside beta[3] of 1.0, so that the input cannot be recomputed");
        setParameters(norm, type, 3, Double.NaN, 0);
        assertThatIllegalArgumentException()
                .isThrownBy(norm::requireRecoverableInput)
                .withMessageStartingWith("gamma[3]: NaN");
    }

    // ---- helpers

    private static void setParameters(BatchNormTasks norm, ElementType type, int feature, double gamma, double beta) {
        if (type == ElementType.FLOAT64) {
            norm.doubleParameters().set(feature, gamma);
            norm.doubleParameters().set(norm.config().features() + feature, beta);
        } else {
            norm.parameters().set(feature, (float) gamma);
            norm.parameters().set(norm.config().features() + feature, (float) beta);
        }
    }

    private static BatchNormConfig config(ElementType type, int features) {
        BatchNormConfig config = BatchNormConfig.of(features);
        return new BatchNormConfig(features, config.eps(), config.momentum(), true, true, type);
    }

    private static BatchNormTasksBuilder inPlace(BatchShape shape, Activation activation) {
        return inPlace(config(ElementType.FLOAT32, shape.c()), shape, activation);
    }

    private static BatchNormTasksBuilder inPlace(BatchNormConfig config, BatchShape shape, Activation activation) {
        return BatchNormTasks.builder("norm", config, shape)
                .activation(activation)
                .recomputeInputFromOutput(true);
    }

    /** γ of both signs and down to the least beside β; a dy whose mean is not 0, which dγ would feel. */
    private static Values values(BatchShape shape) {
        Values batch = Values.random(shape, 5);
        for (int i = 0; i < batch.dy().length; i++) {
            batch.dy()[i] += 0.4f;
        }
        for (int c = 0; c < shape.c(); c++) {
            batch.weight()[c] = (c % 2 == 0 ? 1 : -1) * (0.01f + c % 7);
            batch.bias()[c] = batch.weight()[c] * (c % 3 == 0 ? 1 : c % 3 == 1 ? -1024 : 30);
        }
        return batch;
    }

    private static FloatArray array(float[] values, long length) {
        return FloatArray.fromArray(Arrays.copyOf(values, Math.toIntExact(length)));
    }

    /** A layer and a batch that it overwrites. */
    private static final class Step {
        final BatchShape shape;
        final Activation activation;
        final Values batch;
        final BatchNormTasks norm;
        final FloatArray y;
        final FloatArray dy;
        final FloatArray dx;
        private final SampleCount samples;

        Step(BatchShape largest, int n, DeviceLimits limits, Activation activation) {
            this(
                    largest,
                    values(new BatchShape(n, largest.c(), largest.spatial(), largest.layout())),
                    limits,
                    activation);
        }

        Step(BatchShape largest, Values batch, DeviceLimits limits, Activation activation) {
            this.shape = batch.shape();
            this.activation = activation;
            this.batch = batch;
            samples = SampleCount.atMost(Math.toIntExact(largest.n()));
            samples.set(Math.toIntExact(shape.n()));
            norm = inPlace(largest, activation).build(limits);
            for (int c = 0; c < shape.c(); c++) {
                setParameters(norm, ElementType.FLOAT32, c, batch.weight()[c], batch.bias()[c]);
            }
            y = array(batch.x(), largest.elements());
            dy = array(batch.dy(), largest.elements());
            dx = Layers.filled(largest.elements(), Float.NaN);
        }

        void run(Consumer<Pieces> adder) throws Exception {
            TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.EVERY_EXECUTION, y, dy);
            GridScheduler grids = new GridScheduler();
            adder.accept(norm.on(graph, grids, samples));
            graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y, dx);
            try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
                BatchNormTasks.configure(plan, grids, Layers.DEVICE)
                        .execute()
                        .transferToHost(norm.statistics(), norm.gradients());
            }
        }

        Reference.Statistics statistics() {
            return Reference.statistics(
                    shape, Reference.widen(batch.x()), norm.config().eps());
        }

        void check(String what, Reference.Statistics statistics, boolean through) {
            float[] output = Layers.floats(y, 0, shape.elements());
            Values before = InPlaceBar.beforeActivation(batch, output, activation);
            FloatArray x = FloatArray.fromArray(batch.x());
            FloatArray dz = FloatArray.fromArray(before.dy());
            Layers.Expected ofX = through
                    ? Layers.Expected.training(norm, shape, x, dz)
                    : Layers.Expected.frozen(norm, shape, x, dz, statistics.mean(), statistics.variance());
            new Layers.Expected(
                            shape,
                            ofX.statistics(),
                            ofX.y(),
                            ofX.roundedY(),
                            ofX.gradients(),
                            InPlaceBar.rounded(before, statistics, through))
                    .activated(new Activations(Activation.NONE, activation), x)
                    .check(what + " of " + shape, norm, y, dx);
        }
    }

    /** A layer that has the statistics of a batch, and gets a part of it. */
    private static final class Part {
        private final BatchNormTasks norm;
        private final TornadoNativeArray x;
        private final TornadoNativeArray dy;

        Part(
                BatchNormConfig config,
                Activation activation,
                BatchShape shape,
                Values batch,
                Reference.Statistics statistics) {
            int c = shape.c();
            ElementType type = config.elementType();
            norm = inPlace(config, shape, activation).build(Layers.TWO_STAGES);
            x = array(type, batch.x(), shape.elements());
            dy = array(type, batch.dy(), shape.elements());
            for (int i = 0; i < c; i++) {
                setParameters(norm, type, i, batch.weight()[i], batch.bias()[i]);
                double mean = statistics.mean()[i];
                if (type == ElementType.FLOAT64) {
                    norm.doubleStatistics().set(i, mean);
                    norm.doubleStatistics().set(2 * c + i, statistics.variance()[i]);
                    norm.doubleStatistics().set(3 * c + i, statistics.rstd()[i]);
                } else {
                    norm.statistics().set(i, (float) mean);
                    norm.statistics().set(c + i, (float) (mean - (float) mean));
                    norm.statistics().set(2 * c + i, (float) statistics.variance()[i]);
                    norm.statistics().set(3 * c + i, (float) statistics.rstd()[i]);
                }
            }
        }

        private static TornadoNativeArray array(ElementType type, float[] values, long length) {
            float[] part = Arrays.copyOf(values, Math.toIntExact(length));
            return type == ElementType.FLOAT64
                    ? DoubleArray.fromArray(Reference.widen(part))
                    : FloatArray.fromArray(part);
        }

        /** Overwrites x with y. */
        void run(DoubleArray moments, DoubleArray sums, DoubleArray asGiven) throws Exception {
            TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.EVERY_EXECUTION, x, dy, moments);
            TaskGraph again = new TaskGraph("again").transferToDevice(DataTransferMode.EVERY_EXECUTION, x, dy);
            GridScheduler grids = new GridScheduler();
            norm.on(graph, grids).transform(x, x);
            norm.on(graph, grids).reduceGradients(x, dy, moments, sums);
            norm.on(again, grids).reduceGradients(x, dy, asGiven);
            graph.transferToHost(DataTransferMode.EVERY_EXECUTION, x, sums);
            again.transferToHost(DataTransferMode.EVERY_EXECUTION, asGiven);
            try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot(), again.snapshot())) {
                BatchNormTasks.configure(plan, grids, Layers.DEVICE);
                plan.withGraph(0).execute();
                plan.withGraph(1).execute();
            }
        }

        /** y, of which the signs are. */
        float[] output() {
            float[] y = new float[x.getSize()];
            for (int i = 0; i < y.length; i++) {
                y[i] = x instanceof DoubleArray doubles ? (float) doubles.get(i) : ((FloatArray) x).get(i);
            }
            return y;
        }
    }
}
