package org.batchnorm.tornadovm;

import org.batchnorm.tornadovm.kernels.BackwardOnChip;
import org.batchnorm.tornadovm.kernels.ForwardOnChip;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/** The kernels of a layer of FLOAT32 that keep their part of a batch on chip, as tasks of one graph. */
final class OnChipCalls {
    private final KernelCalls calls;
    private final Float32State state;

    /** Adds to the graph that the calls add to. */
    OnChipCalls(KernelCalls calls, Float32State state) {
        this.calls = calls;
        this.state = state;
    }

    /** The training forward: x is read and y written. */
    void forward(TornadoNativeArray x, TornadoNativeArray y, long chip) {
        LayerPlan plan = calls.plan;
        Tiling tiling = plan.tiling();
        calls.use(state.parameters, state.statistics, state.runningStatistics, state.numBatchesTracked);
        calls.add(
                "forwardOnChip",
                tiling.onChipGrid(chip),
                task -> TypedKernel.addTask(
                        calls.graph,
                        task,
                        ForwardOnChip.class,
                        calls.context,
                        x,
                        y,
                        state.parameters,
                        state.statistics,
                        state.runningStatistics,
                        state.numBatchesTracked,
                        calls.samples,
                        tiling.view(),
                        chip,
                        plan.config().eps(),
                        plan.config().momentum().orElse(0),
                        plan.tracking(),
                        plan.inputSlope(),
                        plan.outputSlope()));
    }

    /** Backward through the statistics of the batch: x and dy are read and dx written. */
    void backward(TornadoNativeArray x, TornadoNativeArray dy, TornadoNativeArray dx, long chip) {
        LayerPlan plan = calls.plan;
        Tiling tiling = plan.tiling();
        calls.use(state.parameters, state.statistics, state.gradients);
        calls.add(
                "backwardOnChip",
                tiling.onChipGrid(chip),
                task -> TypedKernel.addTask(
                        calls.graph,
                        task,
                        BackwardOnChip.class,
                        calls.context,
                        x,
                        dy,
                        dx,
                        state.parameters,
                        state.statistics,
                        state.gradients,
                        calls.samples,
                        tiling.view(),
                        chip,
                        plan.kindOfSums(),
                        plan.config().eps()));
    }
}
