package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;
import static org.batchnorm.tornadovm.Float64Step.valuesOf;

import java.util.OptionalDouble;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.float64.Inputs;
import org.batchnorm.float64.Outputs;
import org.junit.jupiter.api.Test;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;

/** Layers of FLOAT64 whose graphs run more than once, or are several. */
class Float64GraphsTest {

    /** Without a momentum the running statistics are averages over the batches; without γ and β y is x̂. */
    @Test
    void batchAfterBatchWithoutAMomentumAndWithoutParameters() throws Exception {
        BatchShape shape = BatchShape.of(301, 3);
        BatchNormConfig config = new BatchNormConfig(3, 1e-5, OptionalDouble.empty(), false, true, ElementType.FLOAT64);
        BatchNormTasks norm = new BatchNormTasks("norm", config, shape, Layers.TWO_STAGES);
        DoubleArray x = new DoubleArray(903);
        DoubleArray dy = new DoubleArray(903);
        DoubleArray y = new DoubleArray(903);
        DoubleArray dx = new DoubleArray(903);
        GridScheduler grids = new GridScheduler();
        TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.EVERY_EXECUTION, x, dy);
        Pieces pieces = norm.on(graph, grids);
        pieces.forward(x, y);
        pieces.backward(x, dy, dx);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y, dx);
        double[] mean = new double[3];
        double[] variance = new double[3];
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            for (int batch = 1; batch <= 3; batch++) {
                Inputs in = Inputs.random(shape, batch, batch, 1).withoutParameters();
                for (int i = 0; i < 903; i++) {
                    x.set(i, in.x()[i]);
                    dy.set(i, in.dy()[i]);
                }
                TornadoExecutionResult result = plan.execute();
                result.transferToHost(norm.doubleStatistics());
                norm.state(result);
                Outputs out = new Outputs();
                out.y = valuesOf(y);
                out.dx = valuesOf(dx);
                out.isWithinBar(in);
                for (int c = 0; c < 3; c++) {
                    mean[c] += (norm.doubleStatistics().get(c) - mean[c]) / batch;
                    variance[c] += (norm.doubleStatistics().get(6 + c) * 301 / 300 - variance[c]) / batch;
                    assertThat(norm.doubleRunningStatistics().get(c)).isCloseTo(mean[c], within(1e-14));
                    assertThat(norm.doubleRunningStatistics().get(3 + c)).isCloseTo(variance[c], within(1e-14));
                }
                assertThat(norm.numBatchesTracked().get(2)).isEqualTo(batch);
            }
        }
    }

    @Test
    void forwardAndBackwardMayBeInGraphsOfTheirOwn() throws Exception {
        Inputs in = Inputs.random(BatchShape.of(301, 3), 21, 1e9, 1);
        Float64Step step = new Float64Step(in, Layers.TWO_STAGES);
        GridScheduler grids = new GridScheduler();
        TaskGraph forward = new TaskGraph("forward").transferToDevice(DataTransferMode.EVERY_EXECUTION, step.x);
        step.norm.on(forward, grids).forward(step.x, step.y);
        forward.persistOnDevice(step.x);
        forward.transferToHost(DataTransferMode.EVERY_EXECUTION, step.y);
        TaskGraph backward = new TaskGraph("backward")
                .consumeFromDevice("forward", step.x)
                .transferToDevice(DataTransferMode.EVERY_EXECUTION, step.dy);
        step.norm.on(backward, grids).backward(step.x, step.dy, step.dx);
        backward.transferToHost(DataTransferMode.EVERY_EXECUTION, step.dx);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(forward.snapshot(), backward.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            for (int run = 1; run <= 2; run++) {
                plan.withGraph(0).execute();
                TornadoExecutionResult result = plan.withGraph(1).execute();
                result.transferToHost(step.norm.doubleStatistics(), step.norm.doubleGradients());
                step.norm.state(result);
                step.outputs().isWithinBar(in);
                assertThat(step.norm.numBatchesTracked().get(0)).isEqualTo(run);
            }
        }
    }

    /** Statistics and gradients that were merged elsewhere have tasks of their own, as with FLOAT32. */
    @Test
    void aStepAndMergesMayShareAGraph() {
        Float64Step step = new Float64Step(Inputs.random(BatchShape.of(12, 3), 12), Layers.TWO_STAGES);
        GridScheduler grids = new GridScheduler();
        Pieces pieces = step.norm.on(new TaskGraph("step"), grids);
        pieces.forward(step.x, step.y);
        pieces.backward(step.x, step.dy, step.dx);
        pieces.mergeStatistics(Summaries.array(3, ElementType.FLOAT64));
        pieces.mergeGradients(Summaries.array(3, ElementType.FLOAT64));
        assertThat(grids.keySet())
                .contains(
                        "step.norm_mergeStatistics",
                        "step.norm_mergedStatistics",
                        "step.norm_mergeGradients",
                        "step.norm_mergedGradients");
    }

    /** A training piece that was not added asks for nothing. */
    @Test
    void aRefusedPieceLeavesTheCountOfSamplesAlone() {
        Float64Step step = new Float64Step(Inputs.random(BatchShape.of(4, 3), 13), Layers.TWO_STAGES);
        DoubleArray small = new DoubleArray(11);
        GridScheduler grids = new GridScheduler();
        Pieces pieces = step.norm.on(new TaskGraph("step"), grids, step.samples);
        pieces.transform(step.x, step.y);
        pieces.inputGradient(step.x, step.dy, step.dx);
        for (Runnable refused : new Runnable[] {
            () -> pieces.forward(small, step.y),
            () -> pieces.forward(step.x, small, step.y),
            () -> pieces.backward(step.x, step.dy, small),
            () -> pieces.backward(step.x, small, step.dy, step.dx, step.dresidual),
            // These are in the graph in part.
            () -> pieces.forward(step.x, step.y),
            () -> pieces.forward(step.x, step.residual, step.y),
            () -> pieces.backward(step.x, step.dy, step.dx),
            () -> pieces.backward(step.x, step.y, step.dy, step.dx, step.dresidual)
        }) {
            assertThatIllegalArgumentException().isThrownBy(refused::run);
            step.samples.set(1);
        }
        step.norm.on(new TaskGraph("other"), grids, step.samples).forward(step.x, step.y);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> step.samples.set(1))
                .withMessageContaining("training expects more than 1 value per feature");
    }
}
