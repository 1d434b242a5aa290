package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.stream.Stream;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.BatchShape;
import org.batchnorm.state.Tensor;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.TornadoProfilerResult;
import uk.ac.manchester.tornado.api.WorkerGrid1D;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.enums.ProfilerMode;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** The pieces in task graphs as callers build them. */
class BatchNormTasksTest {
    private static final BatchShape SHAPE = BatchShape.of(24, 10);
    private static final int C = SHAPE.c();
    private static final float LEARNING_RATE = 0.25f;

    private final FloatArray x = Layers.gaussian(1, SHAPE.elements(), 3, 2);
    private final FloatArray dy = Layers.gaussian(2, SHAPE.elements(), 0, 1);
    private final FloatArray y = Layers.filled(SHAPE.elements(), Float.NaN);
    private final FloatArray dx = Layers.filled(SHAPE.elements(), Float.NaN);
    private final GridScheduler grids = new GridScheduler();

    static Stream<DeviceLimits> strategies() {
        return Stream.of(Layers.OWN, Layers.TWO_STAGES);
    }

    /** A caller's own task: one step of gradient descent. */
    public static void descend(KernelContext context, FloatArray parameters, FloatArray gradients) {
        int i = context.globalIdx;
        parameters.set(i, parameters.get(i) - LEARNING_RATE * gradients.get(i));
    }

    @Test
    void layersShareAGraph() throws Exception {
        BatchNormTasks first = new BatchNormTasks("first", BatchNormConfig.of(C), SHAPE, Layers.DEVICE);
        BatchNormTasks second = new BatchNormTasks("second", BatchNormConfig.of(C), SHAPE, Layers.DEVICE);
        Layers.randomParameters(first, 3);
        Layers.randomParameters(second, 4);
        FloatArray between = Layers.filled(SHAPE.elements(), Float.NaN);
        FloatArray betweenGradient = Layers.filled(SHAPE.elements(), Float.NaN);

        TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.FIRST_EXECUTION, x, dy);
        first.on(graph, grids).forward(x, between);
        second.on(graph, grids).forward(between, y);
        second.on(graph, grids).backward(between, dy, betweenGradient);
        first.on(graph, grids).backward(x, dy, dx);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, between, y, betweenGradient, dx);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            TornadoExecutionResult result = plan.execute();
            result.transferToHost(first.statistics(), second.statistics(), first.gradients(), second.gradients());
        }

        Layers.Expected.training(second, SHAPE, between, dy).check("second", second, y, betweenGradient);
        Layers.Expected.training(first, SHAPE, x, dy).check("first", first, between, dx);
    }

    @ParameterizedTest
    @MethodSource("strategies")
    void forwardBackwardAndInferenceInGraphsOfOnePlan(DeviceLimits limits) throws Exception {
        BatchNormTasks norm = Layers.layer(SHAPE, limits);
        Layers.randomParameters(norm, 3);
        FloatArray inferred = Layers.filled(SHAPE.elements(), Float.NaN);

        TaskGraph forward = new TaskGraph("forward").transferToDevice(DataTransferMode.FIRST_EXECUTION, x);
        norm.on(forward, grids).forward(x, y);
        forward.persistOnDevice(x, y);

        TaskGraph backward = new TaskGraph("backward")
                .consumeFromDevice("forward", x)
                .transferToDevice(DataTransferMode.FIRST_EXECUTION, dy);
        norm.on(backward, grids).backward(x, dy, dx);
        grids.addWorkerGrid("backward.descend", new WorkerGrid1D(2 * C));
        backward.task("descend", BatchNormTasksTest::descend, new KernelContext(), norm.parameters(), norm.gradients())
                .persistOnDevice(x, dx);

        TaskGraph inference = new TaskGraph("inference").consumeFromDevice("backward", x);
        norm.on(inference, grids).inference(x, inferred);
        inference.persistOnDevice(x).transferToHost(DataTransferMode.EVERY_EXECUTION, inferred);

        try (TornadoExecutionPlan plan =
                new TornadoExecutionPlan(forward.snapshot(), backward.snapshot(), inference.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            double[] runningMean = new double[C];
            double[] runningVar = new double[C];
            Arrays.fill(runningVar, 1);
            for (int step = 0; step < 5; step++) {
                Layers.Expected expected = Layers.Expected.training(norm, SHAPE, x, dy);
                plan.withGraph(0).execute().transferToHost(y, norm.statistics());
                TornadoExecutionResult result = plan.withGraph(1).execute();
                FloatArray before = FloatArray.fromArray(norm.parameters().toHeapArray());
                result.transferToHost(dx, norm.gradients(), norm.parameters());
                expected.check("step " + step, norm, y, dx);
                for (int i = 0; i < 2 * C; i++) {
                    assertThat(norm.parameters().get(i))
                            .isEqualTo(Math.fma(-LEARNING_RATE, norm.gradients().get(i), before.get(i)));
                }
                runningMean = Reference.updateRunning(
                        runningMean, expected.statistics().mean(), 0.1);
                runningVar = Reference.updateRunning(
                        runningVar, Reference.unbiased(expected.statistics().variance(), SHAPE.n()), 0.1);
                if (step % 2 == 1) {
                    TornadoExecutionResult inferenceResult = plan.withGraph(2).execute();
                    Layers.Expected inferenceExpected =
                            Layers.Expected.frozen(norm, SHAPE, x, dy, runningMean, runningVar);
                    Layers.assertWithinBar("step " + step, Quantity.Y, inferred, 0, inferenceExpected.y());
                    Map<String, Tensor> state = norm.state(inferenceResult);
                    assertThat(state.get("num_batches_tracked").longs()).containsExactly(step + 1);
                }
            }
        }
    }

    @Test
    void aGraphWithoutTheLayerMayRunInBetween() throws Exception {
        BatchNormTasks norm = Layers.layer(SHAPE, Layers.OWN);
        TaskGraph forward = new TaskGraph("forward").transferToDevice(DataTransferMode.FIRST_EXECUTION, x);
        norm.on(forward, grids).forward(x, y);
        forward.persistOnDevice(x, y);

        FloatArray other = Layers.filled(2L * C, 1);
        FloatArray otherGradient = Layers.filled(2L * C, 4);
        TaskGraph between = new TaskGraph("between")
                .consumeFromDevice("forward", x)
                .transferToDevice(DataTransferMode.FIRST_EXECUTION, other, otherGradient);
        norm.attach(between);
        grids.addWorkerGrid("between.descend", new WorkerGrid1D(2 * C));
        between.task("descend", BatchNormTasksTest::descend, new KernelContext(), other, otherGradient)
                .persistOnDevice(x)
                .transferToHost(DataTransferMode.EVERY_EXECUTION, other);

        TaskGraph backward = new TaskGraph("backward")
                .consumeFromDevice("between", x)
                .transferToDevice(DataTransferMode.FIRST_EXECUTION, dy);
        norm.on(backward, grids).backward(x, dy, dx);
        backward.transferToHost(DataTransferMode.EVERY_EXECUTION, dx);

        try (TornadoExecutionPlan plan =
                new TornadoExecutionPlan(forward.snapshot(), between.snapshot(), backward.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            for (int step = 1; step <= 2; step++) {
                plan.withGraph(0).execute().transferToHost(y, norm.statistics());
                plan.withGraph(1).execute();
                assertThat(other.get(0)).isEqualTo(1 - step);
                plan.withGraph(2).execute().transferToHost(norm.gradients());
                Layers.Expected.training(norm, SHAPE, x, dy).check("step " + step, norm, y, dx);
            }
        }
    }

    /**
     * The first execution brings everything there; after it only N travels, and only where it may change; beside
     * TornadoVM's own frame of 24 bytes for each kernel.
     */
    @ParameterizedTest
    @MethodSource("strategies")
    void nothingIsCopiedUnlessAsked(DeviceLimits limits) throws Exception {
        assertThat(bytesOfSecondExecution(limits, null)).as("in, out").containsExactly(0, 0);
        assertThat(bytesOfSecondExecution(limits, SampleCount.atMost((int) SHAPE.n())))
                .as("in, out")
                .containsExactly(24, 0);
    }

    private long[] bytesOfSecondExecution(DeviceLimits limits, @Nullable SampleCount samples) throws Exception {
        BatchNormTasks norm = Layers.layer(SHAPE, limits);
        GridScheduler ownGrids = new GridScheduler();
        TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.FIRST_EXECUTION, x, dy);
        if (samples == null) {
            norm.on(graph, ownGrids).forward(x, y);
            norm.on(graph, ownGrids).backward(x, dy, dx);
        } else {
            norm.on(graph, ownGrids, samples).forward(x, y);
            norm.on(graph, ownGrids, samples).backward(x, dy, dx);
        }
        graph.transferToHost(DataTransferMode.UNDER_DEMAND, y, dx);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, ownGrids, Layers.DEVICE).withProfiler(ProfilerMode.SILENT);
            plan.execute();
            TornadoProfilerResult profile = plan.execute().getProfilerResult();
            long frames = 24L * ownGrids.keySet().size();
            return new long[] {profile.getTotalBytesCopyIn() - frames, profile.getTotalBytesCopyOut()};
        }
    }

    @Test
    void batchesMayBeSmaller() throws Exception {
        BatchNormTasks norm = Layers.layer(SHAPE, Layers.TWO_STAGES);
        SampleCount samples = SampleCount.atMost((int) SHAPE.n());
        TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.EVERY_EXECUTION, x, dy);
        norm.on(graph, grids, samples).forward(x, y);
        norm.on(graph, grids, samples).backward(x, dy, dx);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y, dx);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            float[] before = {};
            for (int n : new int[] {24, 7, 2, 24}) {
                samples.set(n);
                plan.execute().transferToHost(norm.statistics(), norm.gradients());
                Layers.Expected.training(norm, BatchShape.of(n, C), x, dy).check("n = " + n, norm, y, dx);
                float[] all = y.toHeapArray();
                for (int i = n * C; i < SHAPE.elements(); i++) {
                    assertThat(all[i]).as("row beyond n = %d stays", n).isEqualTo(before[i]);
                }
                before = all;
            }
        }
    }

    @Test
    void batchesMayBeSmallerOnChip() throws Exception {
        BatchNormTasks norm = Layers.layer(SHAPE, Layers.OWN);
        SampleCount samples = SampleCount.atMost((int) SHAPE.n());
        TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.EVERY_EXECUTION, x, dy);
        norm.on(graph, grids, samples).forward(x, y);
        norm.on(graph, grids, samples).backward(x, dy, dx);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y, dx);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            for (int n : new int[] {24, 5, 24}) {
                samples.set(n);
                plan.execute().transferToHost(norm.statistics(), norm.gradients());
                Layers.Expected.training(norm, BatchShape.of(n, C), x, dy).check("n = " + n, norm, y, dx);
            }
        }
    }

    /** dx of two values is what eps leaves of it; the kernels see by N that there are two. */
    @ParameterizedTest
    @MethodSource("strategies")
    void aBatchMayHaveTwoValuesAFeature(DeviceLimits limits) throws Exception {
        BatchNormConfig config = new BatchNormConfig(C, 1e-2, OptionalDouble.of(0.1), true, true);
        BatchNormTasks norm = new BatchNormTasks("norm", config, SHAPE, limits);
        Layers.randomParameters(norm, 6);
        SampleCount samples = SampleCount.atMost((int) SHAPE.n());
        TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.EVERY_EXECUTION, x, dy);
        norm.on(graph, grids, samples).forward(x, y);
        norm.on(graph, grids, samples).backward(x, dy, dx);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y, dx);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            for (int n : new int[] {2, 3, 2, 24}) {
                samples.set(n);
                plan.execute().transferToHost(norm.statistics(), norm.gradients());
                Layers.Expected.training(norm, BatchShape.of(n, C), x, dy).check("n = " + n, norm, y, dx);
            }
        }
    }

    /** Moments and sums stay on the device from one graph to the next. */
    @Test
    void theStepsOfForwardAndBackwardMayStandInGraphsOfTheirOwn() throws Exception {
        BatchNormTasks norm = Layers.layer(SHAPE, Layers.OWN);
        Layers.randomParameters(norm, 7);
        SampleCount samples = SampleCount.atMost((int) SHAPE.n());
        DoubleArray moments = Summaries.array(C);
        DoubleArray sums = Summaries.array(C);
        TaskGraph statistics = new TaskGraph("statistics").transferToDevice(DataTransferMode.FIRST_EXECUTION, x);
        norm.on(statistics, grids, samples).collectStatistics(x, moments);
        statistics.persistOnDevice(x, moments);
        TaskGraph transform = new TaskGraph("transform").consumeFromDevice("statistics", x, moments);
        norm.on(transform, grids, samples).mergeStatistics(moments);
        norm.on(transform, grids, samples).transform(x, y);
        transform.persistOnDevice(x).transferToHost(DataTransferMode.EVERY_EXECUTION, y);
        TaskGraph gradients = new TaskGraph("gradients")
                .consumeFromDevice("transform", x)
                .transferToDevice(DataTransferMode.FIRST_EXECUTION, dy);
        norm.on(gradients, grids, samples).reduceGradients(x, dy, sums);
        gradients.persistOnDevice(x, dy, sums);
        TaskGraph input = new TaskGraph("input").consumeFromDevice("gradients", x, dy, sums);
        norm.on(input, grids, samples).mergeGradients(sums);
        norm.on(input, grids, samples).inputGradient(x, dy, dx);
        input.persistOnDevice(x, dy).transferToHost(DataTransferMode.EVERY_EXECUTION, dx);
        FloatArray frozenDx = Layers.filled(SHAPE.elements(), Float.NaN);
        TaskGraph frozen = new TaskGraph("frozen").consumeFromDevice("input", dy);
        norm.on(frozen, grids, samples).frozenInputGradient(dy, frozenDx);
        frozen.transferToHost(DataTransferMode.EVERY_EXECUTION, frozenDx);

        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(
                statistics.snapshot(),
                transform.snapshot(),
                gradients.snapshot(),
                input.snapshot(),
                frozen.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            plan.withGraph(0).execute();
            plan.withGraph(1).execute().transferToHost(norm.statistics());
            plan.withGraph(2).execute();
            plan.withGraph(3).execute().transferToHost(norm.gradients());
            plan.withGraph(4).execute();
        }
        Layers.Expected expected = Layers.Expected.training(norm, SHAPE, x, dy);
        expected.check("steps", norm, y, dx);
        double[] mean = expected.statistics().mean();
        double[] variance = expected.statistics().variance();
        Layers.assertWithinBar(
                "frozen",
                Quantity.DX,
                frozenDx,
                0,
                Layers.Expected.frozen(norm, SHAPE, x, dy, mean, variance)
                        .gradients()
                        .dx());
    }

    @Test
    void emptyBatchesAreForInference() throws Exception {
        BatchNormTasks norm = Layers.layer(SHAPE, Layers.OWN);
        SampleCount samples = SampleCount.atMost((int) SHAPE.n());
        TaskGraph graph = new TaskGraph("serve").transferToDevice(DataTransferMode.EVERY_EXECUTION, x);
        norm.on(graph, grids, samples).inference(x, y);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            plan.execute();
            float[] all = y.toHeapArray();
            x.init(100);
            samples.set(0);
            plan.execute();
            assertThat(y.toHeapArray()).as("nothing is written").isEqualTo(all);
            samples.set(1);
            plan.execute();
            assertThat(y.get(0)).isNotEqualTo(all[0]);
            assertThat(y.get(C)).isEqualTo(all[C]);
        }
    }

    @Test
    void frozenStatisticsNormalizeAndStay() throws Exception {
        BatchNormTasks norm = Layers.layer(SHAPE, Layers.OWN);
        Layers.randomParameters(norm, 5);
        double[] mean = new double[C];
        double[] variance = new double[C];
        for (int i = 0; i < C; i++) {
            mean[i] = 2 + i;
            variance[i] = 0.5 + i;
            norm.runningStatistics().set(i, (float) mean[i]);
            norm.runningStatistics().set(C + i, (float) variance[i]);
        }
        TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.FIRST_EXECUTION, x, dy);
        norm.on(graph, grids).frozenForward(x, y);
        norm.on(graph, grids).frozenBackward(x, dy, dx);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y, dx);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            TornadoExecutionResult result = plan.execute();
            result.transferToHost(norm.statistics(), norm.gradients());
            Layers.Expected.frozen(norm, SHAPE, x, dy, mean, variance).check("frozen", norm, y, dx);
            Map<String, Tensor> state = norm.state(result);
            assertThat(state.get("running_mean").floats()[3]).isEqualTo(5f);
            assertThat(state.get("num_batches_tracked").longs()).containsExactly(0);
        }
    }

    @Test
    void cumulativeAverageAndNoAffineParameters() throws Exception {
        BatchNormConfig config = new BatchNormConfig(C, 1e-3, OptionalDouble.empty(), false, true);
        BatchNormTasks norm = new BatchNormTasks("norm", config, SHAPE, Layers.TWO_STAGES);
        TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.EVERY_EXECUTION, x);
        norm.on(graph, grids).forward(x, y);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            double[] average = new double[C];
            for (int batch = 1; batch <= 3; batch++) {
                FloatArray next = Layers.gaussian(batch, SHAPE.elements(), batch, 1);
                for (int i = 0; i < SHAPE.elements(); i++) {
                    x.set(i, next.get(i));
                }
                TornadoExecutionResult result = plan.execute();
                Layers.Expected expected = Layers.Expected.training(norm, SHAPE, x, dy);
                Layers.assertWithinBar("batch " + batch, Quantity.Y, y, 0, expected.y());
                average = Reference.updateRunning(average, expected.statistics().mean(), 1.0 / batch);
                Map<String, Tensor> state = norm.state(result);
                assertThat(state).containsOnlyKeys("running_mean", "running_var", "num_batches_tracked");
                Layers.assertWithinBar("batch " + batch, Quantity.RUNNING_MEAN, norm.runningStatistics(), 0, average);
            }
        }
    }

    @Test
    void withoutTrackedStatisticsInferenceUsesTheBatch() throws Exception {
        BatchNormConfig config = new BatchNormConfig(C, 1e-5, OptionalDouble.of(0.1), true, false);
        BatchNormTasks norm = new BatchNormTasks("norm", config, SHAPE, Layers.DEVICE);
        TaskGraph graph = new TaskGraph("serve").transferToDevice(DataTransferMode.FIRST_EXECUTION, x);
        norm.on(graph, grids).inference(x, y);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            TornadoExecutionResult result = plan.execute();
            Layers.assertWithinBar(
                    "untracked",
                    Quantity.Y,
                    y,
                    0,
                    Layers.Expected.training(norm, SHAPE, x, dy).y());
            assertThat(norm.state(result)).containsOnlyKeys("weight", "bias");
        }
    }

    @ParameterizedTest
    @MethodSource("strategies")
    void worksInPlace(DeviceLimits limits) throws Exception {
        BatchNormTasks norm = Layers.layer(SHAPE, limits);
        FloatArray data = FloatArray.fromArray(x.toHeapArray());
        FloatArray gradient = FloatArray.fromArray(dy.toHeapArray());
        TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.EVERY_EXECUTION, data, x, gradient);
        norm.on(graph, grids).forward(data, data);
        norm.on(graph, grids).backward(x, gradient, gradient);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, data, gradient);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            plan.execute().transferToHost(norm.statistics(), norm.gradients());
            Layers.Expected.training(norm, SHAPE, x, dy).check("in place", norm, data, gradient);
        }
    }

    @Test
    void aGraphIsReplayedThousandsOfTimes() throws Exception {
        BatchNormTasks norm = Layers.layer(SHAPE, Layers.OWN);
        TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.FIRST_EXECUTION, x);
        norm.on(graph, grids).forward(x, y);
        graph.transferToHost(DataTransferMode.UNDER_DEMAND, y);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            TornadoExecutionResult result = plan.execute();
            long memory = plan.getCurrentDeviceMemoryUsage();
            for (int i = 1; i < 3000; i++) {
                result = plan.execute();
            }
            assertThat(plan.getCurrentDeviceMemoryUsage()).isEqualTo(memory);
            result.transferToHost(y, norm.statistics());
            Layers.Expected expected = Layers.Expected.training(norm, SHAPE, x, dy);
            Layers.assertWithinBar("replayed", Quantity.Y, y, 0, expected.y());
            assertThat(norm.state(result).get("num_batches_tracked").longs()).containsExactly(3000);
            Layers.assertWithinBar(
                    "replayed",
                    Quantity.RUNNING_MEAN,
                    norm.runningStatistics(),
                    0,
                    expected.statistics().mean());
        }
    }

    @Test
    void stateTravels() throws Exception {
        Map<String, Tensor> given = Map.of(
                "weight", Tensor.ofFloats(floats(2), C),
                "bias", Tensor.ofFloats(floats(3), C),
                "running_mean", Tensor.ofFloats(floats(4), C),
                "running_var", Tensor.ofFloats(floats(5), C),
                "num_batches_tracked", Tensor.ofLong(1L << 40));
        BatchNormTasks norm = Layers.layer(SHAPE, Layers.OWN);
        norm.loadState(given);
        TaskGraph graph = new TaskGraph("serve").transferToDevice(DataTransferMode.FIRST_EXECUTION, x);
        norm.on(graph, grids).inference(x, y);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            assertThat(norm.state(plan.execute())).isEqualTo(given);
        }
        double[] mean = Layers.doubles(norm.runningStatistics(), 0, C);
        double[] variance = Layers.doubles(norm.runningStatistics(), C, C);
        Layers.assertWithinBar(
                "loaded",
                Quantity.Y,
                y,
                0,
                Layers.Expected.frozen(norm, SHAPE, x, dy, mean, variance).y());
    }

    private static float[] floats(int offset) {
        float[] values = new float[C];
        for (int i = 0; i < C; i++) {
            values[i] = offset + 0.125f * i;
        }
        return values;
    }
}
