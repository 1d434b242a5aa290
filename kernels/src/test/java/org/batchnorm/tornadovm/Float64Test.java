package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;
import static org.batchnorm.tornadovm.Float64Step.config;
import static org.batchnorm.tornadovm.Float64Step.row;
import static org.batchnorm.tornadovm.Float64Step.valuesOf;

import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.batchnorm.BatchNorm;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.PopulationStatistics;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.float64.Inputs;
import org.batchnorm.float64.Outputs;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** Layers of FLOAT64 in a caller's graph, against exact results. */
class Float64Test {
    private static final Activations BOTH = new Activations(Activation.leakyRelu(0.25), Activation.relu());

    static Stream<Arguments> cases() {
        return Stream.of(
                Arguments.of(BatchShape.of(301, 5), Layers.TWO_STAGES),
                Arguments.of(BatchShape.of(40, 33), Layers.OWN),
                Arguments.of(BatchShape.channelsFirst(4, 3, 17, 11), Layers.TWO_STAGES),
                Arguments.of(BatchShape.channelsFirst(60, 4, 3), Layers.TWO_STAGES),
                Arguments.of(BatchShape.channelsLast(6, 3, 40), Layers.AS_GPU));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void trainingIsWithinTheBar(BatchShape shape, DeviceLimits limits) throws Exception {
        Float64Step step = new Float64Step(Inputs.random(shape, 1, 1e9, 1), limits);
        step.forwardAndBackward();
        step.outputs().isWithinBar(step.in);
        for (int c = 0; c < shape.c(); c++) {
            double m = shape.valuesPerFeature();
            double mean = 0.25 * step.norm.doubleStatistics().get(c);
            double variance = 0.75 + 0.25 * step.norm.doubleStatistics().get(2 * shape.c() + c) * m / (m - 1);
            assertThat(step.norm.doubleRunningStatistics().get(c)).isCloseTo(mean, within(2 * Math.ulp(mean)));
            assertThat(step.norm.doubleRunningStatistics().get(shape.c() + c))
                    .isCloseTo(variance, within(4 * Math.ulp(variance)));
        }
        assertThat(step.norm.numBatchesTracked().get(0)).isEqualTo(1);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void activationsAndAResidualAreWithinTheBar(BatchShape shape, DeviceLimits limits) throws Exception {
        Float64Step step = new Float64Step(Inputs.random(shape, 2).withZeros().with(BOTH), limits);
        step.forwardAndBackward();
        step.outputs().isWithinBar(step.in);

        Float64Step adding =
                new Float64Step(Inputs.random(shape, 3).withZeros().with(BOTH).withResidual(4), limits);
        adding.train(
                pieces -> {
                    pieces.forward(adding.x, adding.residual, adding.y);
                    pieces.backward(adding.x, adding.y, adding.dy, adding.dx, adding.dresidual);
                },
                adding.x,
                adding.residual,
                adding.y,
                adding.dy,
                adding.dx,
                adding.dresidual);
        adding.outputs().isWithinBar(adding.in);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void frozenAndInferenceAreWithinTheBar(BatchShape shape, DeviceLimits limits) throws Exception {
        Float64Step step = new Float64Step(Inputs.random(shape, 5).withGivenStatistics(6), limits);
        step.train(
                pieces -> {
                    pieces.frozenForward(step.x, step.y);
                    pieces.frozenBackward(step.x, step.dy, step.dx);
                },
                step.x,
                step.y,
                step.dy,
                step.dx);
        step.outputs().isWithinBar(step.in);

        Float64Step inference = new Float64Step(step.in.with(BOTH).withResidual(7), limits);
        inference.run(
                pieces -> pieces.inference(inference.x, inference.residual, inference.y),
                inference.x,
                inference.residual,
                inference.y);
        Outputs out = new Outputs();
        out.y = valuesOf(inference.y);
        out.isWithinBar(inference.in);
        assertThat(inference.norm.numBatchesTracked().get(0)).isZero();
    }

    /** The steps of one device, of which the gradients are those of a part: here, the whole. */
    @ParameterizedTest
    @MethodSource("cases")
    void stepsInPlaceAreWithinTheBar(BatchShape shape, DeviceLimits limits) throws Exception {
        double[] dy = Inputs.random(shape, 8).dy();
        for (int i = 0; i < dy.length; i++) {
            dy[i] += 1e6;
        }
        Float64Step step = new Float64Step(Inputs.random(shape, 8).withDy(dy), limits);
        DoubleArray moments = Summaries.array(shape.c(), ElementType.FLOAT64);
        DoubleArray sums = Summaries.array(shape.c(), ElementType.FLOAT64);
        step.train(
                pieces -> {
                    pieces.collectStatistics(step.x, moments);
                    pieces.mergeStatistics(moments);
                    pieces.transform(step.x, step.y);
                    pieces.reduceGradients(step.x, step.dy, moments, sums);
                    pieces.mergeGradients(sums);
                    pieces.inputGradient(step.x, step.dy, step.dy);
                },
                step.x,
                step.y,
                step.dy);
        Outputs out = step.outputs();
        out.dx = valuesOf(step.dy);
        out.isWithinBar(step.in);
    }

    /** Two layers with a part each meet on the host, about any mean of x; so do batches of a population. */
    @ParameterizedTest
    @ValueSource(doubles = {0, 1e9})
    void partsOfABatchAreOneBatch(double mean) throws Exception {
        Inputs whole = Inputs.random(BatchShape.of(24, 3), 9, mean, 1);
        parts(whole, new GradientSums(3)).isWithinBar(whole);
    }

    /** Where dy has a mean of many deviations, what is lost is the rounding of the parts' own sums. */
    @Test
    void theMeanOfDyCostsPartsTheRoundingOfTheirSumsOnly() throws Exception {
        BatchShape shape = BatchShape.of(24, 3);
        double[] dy =
                Arrays.stream(Inputs.random(shape, 9).dy()).map(v -> v + 1e9).toArray();
        Inputs whole = Inputs.random(shape, 9, 1e9, 1).withDy(dy);
        Float64Step step = new Float64Step(whole, Layers.TWO_STAGES);
        step.forwardAndBackward();
        Outputs expected = step.outputs();
        expected.isWithinBar(whole);
        GradientSums largest = new GradientSums(3);
        Outputs out = parts(whole, largest);
        for (int i = 0; i < 72; i++) {
            double bar = 8 * 0x1p-53 * largest.dgamma()[i % 3];
            assertThat(out.dx[i]).isCloseTo(expected.dx[i], within(bar));
            assertThat(out.dgamma[i % 3]).isCloseTo(expected.dgamma[i % 3], within(bar));
        }
        out.dx = null;
        out.dgamma = null;
        out.isWithinBar(whole);
    }

    /** Puts the magnitude of the largest sum of a part into {@code largest}. */
    private static Outputs parts(Inputs whole, GradientSums largest) throws Exception {
        int[] from = {0, 51, 72};
        Float64Step[] steps = new Float64Step[2];
        DoubleArray[] moments = new DoubleArray[2];
        Moments all = new Moments(3);
        Moments part = new Moments(3);
        PopulationStatistics population = new PopulationStatistics(3);
        for (int i = 0; i < 2; i++) {
            Float64Step step = new Float64Step(part(whole, from[i], from[i + 1]), Layers.TWO_STAGES);
            DoubleArray ofPart = Summaries.array(3, ElementType.FLOAT64);
            step.run(pieces -> pieces.collectStatistics(step.x, ofPart), step.x, ofPart);
            Summaries.read(ofPart, part);
            all.add(part);
            population.add(part);
            moments[i] = ofPart;
            steps[i] = step;
        }
        assertThat(all.count()).isEqualTo(24);
        GradientSums allSums = new GradientSums(3);
        GradientSums sumsOfPart = new GradientSums(3);
        for (int i = 0; i < 2; i++) {
            Float64Step step = new Float64Step(steps[i].in, Layers.TWO_STAGES);
            DoubleArray merged = Summaries.array(3, ElementType.FLOAT64);
            Summaries.write(all, merged);
            DoubleArray ofPart = moments[i];
            DoubleArray sums = Summaries.array(3, ElementType.FLOAT64);
            step.run(
                    pieces -> {
                        pieces.mergeStatistics(merged);
                        pieces.transform(step.x, step.y);
                        pieces.reduceGradients(step.x, step.dy, ofPart, sums);
                    },
                    step.x,
                    step.y,
                    step.dy,
                    merged,
                    ofPart,
                    sums);
            Summaries.read(sums, sumsOfPart);
            allSums.add(sumsOfPart);
            for (int c = 0; c < 3; c++) {
                largest.dgamma()[c] =
                        Math.max(largest.dgamma()[c], Math.abs(sumsOfPart.dgamma()[c]));
            }
            steps[i] = step;
        }
        Outputs out = new Outputs();
        out.mean = population.exact().mean();
        out.variance = Arrays.stream(population.exact().variance())
                .map(unbiased -> unbiased * 23 / 24)
                .toArray();
        out.y = new double[72];
        out.dx = new double[72];
        for (int i = 0; i < 2; i++) {
            Float64Step step = new Float64Step(steps[i].in, Layers.TWO_STAGES);
            DoubleArray merged = Summaries.array(3, ElementType.FLOAT64);
            DoubleArray sums = Summaries.array(3, ElementType.FLOAT64);
            Summaries.write(all, merged);
            Summaries.write(allSums, sums);
            step.train(
                    pieces -> {
                        pieces.mergeStatistics(merged);
                        pieces.mergeGradients(sums);
                        pieces.inputGradient(step.x, step.dy, step.dx);
                    },
                    step.x,
                    step.dy,
                    step.dx,
                    merged,
                    sums);
            System.arraycopy(valuesOf(steps[i].y), 0, out.y, from[i], from[i + 1] - from[i]);
            System.arraycopy(valuesOf(step.dx), 0, out.dx, from[i], from[i + 1] - from[i]);
            out.dgamma = row(step.norm.doubleGradients(), 0, 3);
            out.dbeta = row(step.norm.doubleGradients(), 1, 3);
        }
        return out;
    }

    private static Inputs part(Inputs whole, int from, int to) {
        return new Inputs(
                BatchShape.of((to - from) / 3, 3),
                Arrays.copyOfRange(whole.x(), from, to),
                Arrays.copyOfRange(whole.dy(), from, to),
                whole.gamma(),
                whole.beta(),
                null,
                null,
                null,
                whole.eps(),
                whole.activations());
    }

    /** A smaller batch leaves what is behind it alone. */
    @Test
    void fewerSamplesAreABatchOfTheirOwn() throws Exception {
        Inputs all = Inputs.random(BatchShape.of(64, 3), 10);
        Float64Step step = new Float64Step(all, Layers.TWO_STAGES);
        TaskGraph graph = new TaskGraph("graph").transferToDevice(DataTransferMode.EVERY_EXECUTION, step.x, step.dy);
        GridScheduler grids = new GridScheduler();
        Pieces pieces = step.norm.on(graph, grids, step.samples);
        pieces.forward(step.x, step.y);
        pieces.backward(step.x, step.dy, step.dx);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, step.y, step.dx);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            Outputs before = new Outputs();
            for (int n : new int[] {64, 15, 2}) {
                step.samples.set(n);
                plan.execute().transferToHost(step.norm.doubleStatistics(), step.norm.doubleGradients());
                Outputs out = step.outputs();
                if (n < 64) {
                    assertThat(behind(out.y, n)).isEqualTo(behind(before.y, n));
                    assertThat(behind(out.dx, n)).isEqualTo(behind(before.dx, n));
                }
                before = step.outputs();
                out.y = Arrays.copyOf(out.y, n * 3);
                out.dx = Arrays.copyOf(out.dx, n * 3);
                out.isWithinBar(part(all, 0, n * 3));
            }
        }
    }

    private static double[] behind(double[] values, int n) {
        return Arrays.copyOfRange(values, n * 3, values.length);
    }

    /** All digits of it. */
    @Test
    void aStateTravelsBetweenTheLayers() throws Exception {
        Inputs in = Inputs.random(BatchShape.of(20, 3), 11, 1e9, 1);
        try (BatchNorm layer =
                BatchNorm.builder(3).elementType(ElementType.FLOAT64).build()) {
            Float64Step step = new Float64Step(in, Layers.OWN);
            layer.loadState(step.run(pieces -> pieces.forward(step.x, step.y), step.x, step.y));
            for (int c = 0; c < 3; c++) {
                assertThat(layer.doubleWeight()[c]).isEqualTo(in.gamma()[c]);
                assertThat(layer.doubleRunningMean()[c])
                        .isEqualTo(step.norm.doubleRunningStatistics().get(c))
                        .isNotEqualTo((float) layer.doubleRunningMean()[c]);
            }
            BatchNormTasks other = new BatchNormTasks("other", config(in.shape()), in.shape(), Layers.OWN);
            other.loadState(layer.state());
            assertThat(row(other.doubleRunningStatistics(), 1, 3)).isEqualTo(layer.doubleRunningVar());
            assertThat(other.numBatchesTracked().get(2)).isEqualTo(1);
        }
    }

    @Test
    void kindsAreNotMixed() {
        BatchShape shape = BatchShape.of(4, 3);
        GridScheduler grids = new GridScheduler();
        DoubleArray doubles = new DoubleArray(12);
        FloatArray floats = new FloatArray(12);
        BatchNormTasks ofFloat64 = new BatchNormTasks("norm", config(shape), shape, Layers.OWN);
        BatchNormTasks ofFloat32 = new BatchNormTasks("norm", BatchNormConfig.of(3), shape, Layers.OWN);
        Pieces pieces = ofFloat64.on(new TaskGraph("graph"), grids);
        Pieces others = ofFloat32.on(new TaskGraph("graph"), grids);
        String right = " given, must be a DoubleArray, as the layer is of FLOAT64";
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.forward(floats, doubles))
                .withMessageStartingWith("x: FloatArray" + right);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.forward(doubles, floats, doubles))
                .withMessageStartingWith("residual: FloatArray" + right);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.backward(doubles, doubles, floats))
                .withMessageStartingWith("dx: FloatArray" + right);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.collectStatistics(doubles, Summaries.array(3)))
                .withMessage("moments: an array of 7 values given, 3 features of FLOAT64 need 14;"
                        + " make it with Summaries.array(features, FLOAT64)");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> others.mergeGradients(Summaries.array(3, ElementType.FLOAT64)))
                .withMessage("sums: an array of 14 values given, 3 features of FLOAT32 need 7;"
                        + " make it with Summaries.array(features)");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> others.forward(floats, doubles))
                .withMessageStartingWith("y: DoubleArray given, must be a FloatArray");
        assertThat(grids.keySet()).isEmpty();
        assertThatIllegalStateException()
                .isThrownBy(ofFloat64::statistics)
                .withMessage("statistics: a layer of FLOAT64 has a DoubleArray; take doubleStatistics()");
        assertThatIllegalStateException()
                .isThrownBy(ofFloat32::doubleRunningStatistics)
                .withMessage(
                        "doubleRunningStatistics: a layer of FLOAT32 has a FloatArray; take runningStatistics(), or"
                                + " a configuration whose elementType is FLOAT64");
    }

    /** A piece of several kernels is added whole, or not at all, where one of its kernels is in the graph already. */
    @Test
    void aPieceThatIsRefusedAddsNothing() {
        Float64Step step = new Float64Step(Inputs.random(BatchShape.of(12, 3), 12), Layers.TWO_STAGES);
        GridScheduler grids = new GridScheduler();
        Pieces pieces = step.norm.on(new TaskGraph("step"), grids);
        pieces.transform(step.x, step.y);
        pieces.inputGradient(step.x, step.dy, step.dx);
        Set<String> before = Set.copyOf(grids.keySet());
        List<ThrowingCallable> refused = List.of(
                () -> pieces.forward(step.x, step.y),
                () -> pieces.forward(step.x, step.residual, step.y),
                () -> pieces.frozenForward(step.x, step.y),
                () -> pieces.frozenForward(step.x, step.residual, step.y),
                () -> pieces.backward(step.x, step.dy, step.dx),
                () -> pieces.backward(step.x, step.y, step.dy, step.dx, step.dresidual),
                () -> pieces.frozenBackward(step.x, step.dy, step.dx),
                () -> pieces.frozenBackward(step.x, step.y, step.dy, step.dx, step.dresidual));
        for (ThrowingCallable piece : refused) {
            assertThatIllegalArgumentException().isThrownBy(piece).withMessageContaining("already");
            assertThat(grids.keySet()).isEqualTo(before);
        }
    }
}
