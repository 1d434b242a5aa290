package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.Stream;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** Layers on several devices, each with a part of a batch, that meet on the host: together they are one layer. */
class DevicesTest {
    private static final double MOMENTUM = 0.3;

    /** A layer, its part of the batch, and the four graphs between which the layers meet. */
    private static final class Part implements AutoCloseable {
        final BatchNormTasks norm;
        final FloatArray y;
        final FloatArray dx;
        final DoubleArray moments;
        final DoubleArray sums;
        private final TornadoExecutionPlan plan;

        Part(BatchShape shape, DeviceLimits limits, FloatArray x, FloatArray dy) {
            BatchNormConfig config = new BatchNormConfig(shape.c(), 1e-3, OptionalDouble.of(MOMENTUM), true, true);
            this.norm = new BatchNormTasks("norm", config, shape, limits);
            Layers.randomParameters(norm, 11);
            this.y = Layers.filled(shape.elements(), Float.NaN);
            this.dx = Layers.filled(shape.elements(), Float.NaN);
            this.moments = Summaries.array(shape.c());
            this.sums = Summaries.array(shape.c());

            GridScheduler grids = new GridScheduler();
            TaskGraph collect = new TaskGraph("collect").transferToDevice(DataTransferMode.FIRST_EXECUTION, x);
            norm.on(collect, grids).collectStatistics(x, moments);
            collect.persistOnDevice(x).transferToHost(DataTransferMode.EVERY_EXECUTION, moments);

            TaskGraph forward = new TaskGraph("forward")
                    .consumeFromDevice("collect", x)
                    .transferToDevice(DataTransferMode.EVERY_EXECUTION, moments);
            norm.on(forward, grids).mergeStatistics(moments);
            norm.on(forward, grids).transform(x, y);
            forward.persistOnDevice(x).transferToHost(DataTransferMode.EVERY_EXECUTION, y);

            TaskGraph reduce = new TaskGraph("reduce")
                    .consumeFromDevice("forward", x)
                    .transferToDevice(DataTransferMode.FIRST_EXECUTION, dy);
            norm.on(reduce, grids).reduceGradients(x, dy, sums);
            reduce.persistOnDevice(x, dy).transferToHost(DataTransferMode.EVERY_EXECUTION, sums);

            TaskGraph backward = new TaskGraph("backward")
                    .consumeFromDevice("reduce", x, dy)
                    .transferToDevice(DataTransferMode.EVERY_EXECUTION, sums);
            norm.on(backward, grids).mergeGradients(sums);
            norm.on(backward, grids).inputGradient(x, dy, dx);
            backward.transferToHost(DataTransferMode.EVERY_EXECUTION, dx);

            this.plan = BatchNormTasks.configure(
                    new TornadoExecutionPlan(
                            collect.snapshot(), forward.snapshot(), reduce.snapshot(), backward.snapshot()),
                    grids,
                    Layers.DEVICE);
        }

        TornadoExecutionResult execute(int graph) {
            return plan.withGraph(graph).execute();
        }

        @Override
        public void close() throws TornadoExecutionPlanException {
            plan.close();
        }
    }

    static Stream<Arguments> batches() {
        return Stream.of(
                Arguments.of("two parts", BatchShape.of(24, 10), Layers.OWN, new int[] {17, 7}),
                Arguments.of("one of a single sample", BatchShape.of(24, 10), Layers.TWO_STAGES, new int[] {23, 1}),
                Arguments.of("single samples", BatchShape.of(2, 10), Layers.OWN, new int[] {1, 1}),
                Arguments.of("planes", BatchShape.channelsFirst(7, 5, 9, 8), Layers.TWO_STAGES, new int[] {2, 1, 4}),
                Arguments.of("small planes", BatchShape.channelsFirst(40, 7, 3), Layers.OWN, new int[] {20, 20}));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("batches")
    void layersThatMeetAreOneLayer(String name, BatchShape shape, DeviceLimits limits, int[] samples) throws Exception {
        FloatArray x = Layers.gaussian(1, shape.elements(), 3, 2);
        FloatArray dy = Layers.gaussian(2, shape.elements(), 0.5, 1);
        List<Part> parts = parts(shape, limits, samples, x, dy);
        try {
            parts.forEach(part -> part.execute(0));
            Moments whole = merge(parts, shape.c());
            assertThat(whole.count()).isEqualTo(shape.valuesPerFeature());
            parts.forEach(part -> Summaries.write(whole, part.moments));
            parts.forEach(part -> part.execute(1).transferToHost(part.norm.statistics()));

            parts.forEach(part -> part.execute(2));
            GradientSums sums = add(parts, shape.c());
            assertThat(sums.count()).isEqualTo(shape.valuesPerFeature());
            parts.forEach(part -> Summaries.write(sums, part.sums));
            for (Part part : parts) {
                TornadoExecutionResult result = part.execute(3);
                result.transferToHost(part.norm.gradients());
                part.norm.state(result);
            }
            check(name, shape, parts, x, dy);
        } finally {
            for (Part part : parts) {
                part.close();
            }
        }
    }

    private static List<Part> parts(BatchShape shape, DeviceLimits limits, int[] samples, FloatArray x, FloatArray dy) {
        List<Part> parts = new ArrayList<>();
        int begin = 0;
        for (int n : samples) {
            BatchShape ofPart = new BatchShape(n, shape.c(), shape.spatial(), shape.layout());
            int end = begin + Math.toIntExact(ofPart.elements());
            parts.add(new Part(ofPart, limits, slice(x, begin, end), slice(dy, begin, end)));
            begin = end;
        }
        return parts;
    }

    private static FloatArray slice(FloatArray array, int begin, int end) {
        return FloatArray.fromArray(Arrays.copyOfRange(array.toHeapArray(), begin, end));
    }

    private static Moments merge(List<Part> parts, int features) {
        Moments whole = new Moments(features);
        Moments one = new Moments(features);
        for (Part part : parts) {
            Summaries.read(part.moments, one);
            whole.add(one);
        }
        return whole;
    }

    private static GradientSums add(List<Part> parts, int features) {
        GradientSums whole = new GradientSums(features);
        GradientSums one = new GradientSums(features);
        for (Part part : parts) {
            Summaries.read(part.sums, one);
            whole.add(one);
        }
        return whole;
    }

    /** As one layer with the whole batch, each of the layers in its statistics and gradients. */
    private static void check(String name, BatchShape shape, List<Part> parts, FloatArray x, FloatArray dy) {
        FloatArray y = FloatArray.concat(parts.stream().map(part -> part.y).toArray(FloatArray[]::new));
        FloatArray dx = FloatArray.concat(parts.stream().map(part -> part.dx).toArray(FloatArray[]::new));
        for (Part part : parts) {
            BatchNormTasks norm = part.norm;
            Layers.Expected expected = Layers.Expected.training(norm, shape, x, dy);
            expected.check(name, norm, y, dx);
            double[] mean = expected.statistics().mean();
            double[] unbiased = Reference.unbiased(expected.statistics().variance(), shape.valuesPerFeature());
            double[] ones = new double[shape.c()];
            Arrays.fill(ones, 1);
            Layers.assertWithinBar(
                    name,
                    Quantity.RUNNING_MEAN,
                    norm.runningStatistics(),
                    0,
                    Reference.updateRunning(new double[shape.c()], mean, MOMENTUM));
            Layers.assertWithinBar(
                    name,
                    Quantity.RUNNING_VAR,
                    norm.runningStatistics(),
                    shape.c(),
                    Reference.updateRunning(ones, unbiased, MOMENTUM));
            assertThat(norm.numBatchesTracked().get(0)).isEqualTo(1);
        }
    }

    /** A device of which the last batch of an epoch has no sample. */
    @Test
    void aPartMayBeEmpty() throws Exception {
        BatchShape shape = BatchShape.of(24, 10);
        BatchNormTasks norm = Layers.layer(shape, Layers.TWO_STAGES);
        SampleCount samples = SampleCount.atMost(24);
        FloatArray x = Layers.filled(shape.elements(), Float.NaN);
        DoubleArray moments = Summaries.array(10);
        DoubleArray sums = Summaries.array(10);
        GridScheduler grids = new GridScheduler();
        TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.EVERY_EXECUTION, x);
        norm.on(graph, grids, samples).collectStatistics(x, moments);
        norm.on(graph, grids, samples).reduceGradients(x, x, sums);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, moments, sums);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            plan.execute();
            assertThat(moments.get(0)).as("of NaN").isNaN();
            samples.set(0);
            plan.execute();
        }
        for (int i = 0; i < 21; i++) {
            assertThat(moments.get(i)).isZero();
            assertThat(sums.get(i)).isZero();
        }
    }

    @Test
    void arraysOfAnotherSizeAreRefused() {
        Pieces pieces = Layers.layer(BatchShape.of(24, 10), Layers.OWN).on(new TaskGraph("step"), new GridScheduler());
        DoubleArray other = Summaries.array(9);
        FloatArray x = new FloatArray(240);
        FloatArray noValues = new FloatArray(1);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.collectStatistics(x, other))
                .withMessage("moments: an array of 19 values given, 10 features need 21; make it with Summaries.array");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.collectStatistics(noValues, other))
                .withMessageContaining("x: an array of 1 values given");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.mergeStatistics(other))
                .withMessageContaining("moments: an array of 19");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.reduceGradients(x, x, other))
                .withMessageContaining("sums: an array of 19");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.mergeGradients(other))
                .withMessageContaining("sums: an array of 19");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Summaries.read(other, new Moments(10)))
                .withMessageContaining("from: an array of 19");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Summaries.write(new GradientSums(10), other))
                .withMessageContaining("into: an array of 19");
    }
}
