package org.batchnorm.tornadovm;

import java.util.OptionalLong;
import org.batchnorm.spi.Activation;
import org.batchnorm.tornadovm.kernels.CollectStatistics;
import org.batchnorm.tornadovm.kernels.FrozenStatistics;
import org.batchnorm.tornadovm.kernels.InputGradient;
import org.batchnorm.tornadovm.kernels.MergeGradients;
import org.batchnorm.tornadovm.kernels.MergeStatistics;
import org.batchnorm.tornadovm.kernels.MergedGradients;
import org.batchnorm.tornadovm.kernels.MergedStatistics;
import org.batchnorm.tornadovm.kernels.ReduceGradients;
import org.batchnorm.tornadovm.kernels.ResidualGradient;
import org.batchnorm.tornadovm.kernels.Transform;
import org.jspecify.annotations.Nullable;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/** The kernels of a layer of FLOAT32, whose batches may be of 16-bit types, too. */
final class Float32Calls extends KernelCalls {
    private final Float32State state;
    private final OnChipCalls kernelsOnChip;

    Float32Calls(LayerPlan plan, Float32State state, Target target) {
        super(plan, state, target);
        this.state = state;
        this.kernelsOnChip = new OnChipCalls(this, state);
    }

    @Override
    KernelCalls of(LayerPlan other) {
        return new Float32Calls(other, state, target());
    }

    // ---- operations

    @Override
    void forward(TornadoNativeArray x, TornadoNativeArray y) {
        OptionalLong onChip = plan.forwardOnChip();
        if (onChip.isPresent()) {
            kernelsOnChip.forward(x, y, onChip.getAsLong());
        } else {
            super.forward(x, y);
        }
    }

    @Override
    void batchStatistics(TornadoNativeArray x) {
        collectStatistics(x);
        mergePartialStatistics("mergeStatistics", state.partialFirst, plan.tracking());
    }

    @Override
    void collectStatistics(TornadoNativeArray x, DoubleArray moments) {
        collectStatistics(x);
        mergePartialStatistics("mergeMoments", moments, MergeStatistics.MOMENTS);
    }

    @Override
    void transform(TornadoNativeArray x, @Nullable TornadoNativeArray residual, TornadoNativeArray y) {
        transform("transform", x, residual, y, state.statistics, Transform.BATCH);
    }

    @Override
    void inference(TornadoNativeArray x, @Nullable TornadoNativeArray residual, TornadoNativeArray y) {
        transform("inference", x, residual, y, state.runningStatistics, Transform.RUNNING);
    }

    @Override
    void backward(TornadoNativeArray x, TornadoNativeArray dy, TornadoNativeArray dx) {
        OptionalLong onChip = plan.backwardOnChip();
        if (onChip.isPresent()) {
            kernelsOnChip.backward(x, dy, dx, onChip.getAsLong());
        } else {
            super.backward(x, dy, dx);
        }
    }

    @Override
    void batchGradients(TornadoNativeArray x, TornadoNativeArray dy) {
        gradients(x, dy, ReduceGradients.BATCH);
    }

    @Override
    void givenGradients(TornadoNativeArray x, TornadoNativeArray dy) {
        gradients(x, dy, ReduceGradients.GIVEN);
    }

    private void gradients(TornadoNativeArray x, TornadoNativeArray dy, int about) {
        use(state.noMoments);
        reduceGradients(x, dy, state.noMoments, about);
        mergePartialGradients("mergeGradients", state.partialFirst, about);
    }

    @Override
    void reduceGradients(TornadoNativeArray x, TornadoNativeArray dy, DoubleArray sums) {
        use(state.noMoments);
        reduceGradients(x, dy, state.noMoments, ReduceGradients.GIVEN);
        mergePartialGradients("mergeSums", sums, MergeGradients.SUMS);
    }

    @Override
    void reducePartGradients(TornadoNativeArray x, TornadoNativeArray dy, DoubleArray moments, DoubleArray sums) {
        reduceGradients(x, dy, moments, ReduceGradients.PART);
        mergePartialGradients("mergeSums", sums, MergeGradients.SUMS_OF_PART);
    }

    @Override
    void inputGradient(TornadoNativeArray x, TornadoNativeArray dy, TornadoNativeArray dx) {
        inputGradient(x, dy, dx, ReduceGradients.BATCH);
    }

    @Override
    void givenInputGradient(TornadoNativeArray x, TornadoNativeArray dy, TornadoNativeArray dx) {
        if (plan.activations().areNone()) {
            transform("inputGradient", dy, null, dx, state.statistics, Transform.GRADIENT);
        } else {
            inputGradient(x, dy, dx, ReduceGradients.GIVEN);
        }
    }

    @Override
    void requireNewForward() {
        requireNew("collectStatistics", "mergeStatistics", "transform");
    }

    @Override
    void requireNewBackward() {
        requireNew("reduceGradients", "mergeGradients", "inputGradient");
    }

    @Override
    void requireNewResidualBackward() {
        requireNew("reduceGradients", "backwardOnChip");
        if (plan.withoutOutput().backwardOnChip().isEmpty()) {
            requireNewBackward();
        }
    }

    // ---- kernels

    private void collectStatistics(TornadoNativeArray x) {
        Tiling tiling = plan.tiling();
        use(state.partialFirst, state.partialSecond);
        add(
                "collectStatistics",
                tiling.grid(),
                task -> TypedKernel.addTask(
                        graph,
                        task,
                        CollectStatistics.class,
                        context,
                        x,
                        state.partialFirst,
                        state.partialSecond,
                        samples,
                        tiling.view(),
                        tiling.tile(),
                        plan.inputSlope()));
    }

    /** Of the results, moments or all the others, only those that {@code tracking} asks for are written. */
    private void mergePartialStatistics(String name, DoubleArray moments, int tracking) {
        Tiling tiling = plan.tiling();
        use(
                state.statistics,
                state.runningStatistics,
                state.numBatchesTracked,
                state.partialFirst,
                state.partialSecond);
        add(
                name,
                tiling.mergeGrid(plan.device()),
                task -> graph.task(
                        task,
                        MergeStatistics::mergeStatistics,
                        context,
                        state.partialFirst,
                        state.partialSecond,
                        moments,
                        state.statistics,
                        state.runningStatistics,
                        state.numBatchesTracked,
                        samples,
                        tiling.view(),
                        tiling.tile(),
                        tiling.mergeTile(plan.device()),
                        plan.config().eps(),
                        plan.config().momentum().orElse(0),
                        tracking));
    }

    @Override
    void mergedStatistics(DoubleArray moments) {
        use(state.statistics, state.runningStatistics, state.numBatchesTracked);
        add(
                "mergedStatistics",
                plan.tiling().featureGrid(plan.device()),
                task -> graph.task(
                        task,
                        MergedStatistics::mergedStatistics,
                        context,
                        moments,
                        state.statistics,
                        state.runningStatistics,
                        state.numBatchesTracked,
                        samples,
                        plan.config().features(),
                        plan.config().eps(),
                        plan.config().momentum().orElse(0),
                        plan.tracking()));
    }

    @Override
    void freezeStatistics() {
        useWithoutSamples(state.runningStatistics, state.statistics);
        add(
                "freezeStatistics",
                plan.tiling().featureGrid(plan.device()),
                task -> graph.task(
                        task,
                        FrozenStatistics::freezeStatistics,
                        context,
                        state.runningStatistics,
                        state.statistics,
                        plan.config().features(),
                        plan.config().eps()));
    }

    /**
     * One map of the batch.
     *
     * @param task its name, after the prefix
     * @param statistics those that {@code source} says
     * @param source of {@link Transform}
     * @param residual what is added before the activation after batch norm; null: nothing
     */
    private void transform(
            String task,
            TornadoNativeArray x,
            @Nullable TornadoNativeArray residual,
            TornadoNativeArray y,
            FloatArray statistics,
            int source) {
        boolean forward = source != Transform.GRADIENT;
        Tiling tiling = plan.tiling();
        use(state.parameters, statistics);
        add(
                task,
                tiling.grid(),
                name -> TypedKernel.addTask(
                        graph,
                        name,
                        Transform.class,
                        context,
                        x,
                        residual == null ? x : residual,
                        y,
                        state.parameters,
                        statistics,
                        samples,
                        tiling.view(),
                        tiling.tile(),
                        source,
                        residual == null ? Transform.NOTHING : Transform.RESIDUAL,
                        plan.config().eps(),
                        forward ? plan.inputSlope() : Activation.NONE.negativeSlope(),
                        forward ? plan.outputSlope() : Activation.NONE.negativeSlope()));
    }

    @Override
    void residualGradient(TornadoNativeArray y, TornadoNativeArray dy, TornadoNativeArray dresidual) {
        Tiling tiling = plan.tiling();
        use();
        add(
                "residualGradient",
                tiling.grid(),
                task -> TypedKernel.addTask(
                        graph,
                        task,
                        ResidualGradient.class,
                        context,
                        y,
                        dy,
                        dresidual,
                        samples,
                        tiling.view(),
                        tiling.tile(),
                        plan.outputSlope()));
    }

    /**
     * The sums of the work-groups.
     *
     * @param moments of {@link ReduceGradients#PART}, those of these very values
     * @param about {@link ReduceGradients#BATCH}, {@link ReduceGradients#GIVEN} or {@link ReduceGradients#PART}
     */
    private void reduceGradients(TornadoNativeArray x, TornadoNativeArray dy, DoubleArray moments, int about) {
        Tiling tiling = plan.tiling();
        use(state.parameters, state.statistics, state.partialFirst, state.partialSecond, state.partialThird);
        add(
                "reduceGradients",
                tiling.grid(),
                task -> TypedKernel.addTask(
                        graph,
                        task,
                        ReduceGradients.class,
                        context,
                        x,
                        dy,
                        state.parameters,
                        state.statistics,
                        state.partialFirst,
                        state.partialSecond,
                        state.partialThird,
                        moments,
                        samples,
                        tiling.view(),
                        tiling.tile(),
                        about + plan.kindOfSums() + plan.given(),
                        plan.inputSlope(),
                        plan.outputSlope()));
    }

    /** Of the results, sums or all the others, only those that {@code about} asks for are written. */
    private void mergePartialGradients(String name, DoubleArray sums, int about) {
        Tiling tiling = plan.tiling();
        use(
                state.parameters,
                state.statistics,
                state.gradients,
                state.terms,
                state.partialFirst,
                state.partialSecond,
                state.partialThird);
        add(
                name,
                tiling.mergeGrid(plan.device()),
                task -> graph.task(
                        task,
                        MergeGradients::mergeGradients,
                        context,
                        state.partialFirst,
                        state.partialSecond,
                        state.partialThird,
                        sums,
                        state.parameters,
                        state.statistics,
                        state.gradients,
                        state.terms,
                        samples,
                        tiling.view(),
                        tiling.tile(),
                        tiling.mergeTile(plan.device()),
                        plan.config().eps(),
                        about));
    }

    @Override
    void mergedGradients(DoubleArray sums) {
        use(state.parameters, state.statistics, state.gradients, state.terms);
        add(
                "mergedGradients",
                plan.tiling().featureGrid(plan.device()),
                task -> graph.task(
                        task,
                        MergedGradients::mergedGradients,
                        context,
                        sums,
                        state.parameters,
                        state.statistics,
                        state.gradients,
                        state.terms,
                        samples,
                        plan.config().features(),
                        plan.config().eps()));
    }

    /**
     * The gradient of x.
     *
     * @param about {@link ReduceGradients#BATCH} or {@link ReduceGradients#GIVEN}
     */
    private void inputGradient(TornadoNativeArray x, TornadoNativeArray dy, TornadoNativeArray dx, int about) {
        Tiling tiling = plan.tiling();
        use(state.parameters, state.statistics, state.terms);
        add(
                "inputGradient",
                tiling.grid(),
                task -> TypedKernel.addTask(
                        graph,
                        task,
                        InputGradient.class,
                        context,
                        x,
                        dy,
                        dx,
                        state.parameters,
                        state.statistics,
                        state.terms,
                        samples,
                        tiling.view(),
                        tiling.tile(),
                        about + plan.given(),
                        plan.inputSlope(),
                        plan.outputSlope()));
    }
}
