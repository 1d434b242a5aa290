package org.batchnorm.tornadovm;

import java.util.function.Consumer;
import org.batchnorm.spi.Activation;
import org.batchnorm.tornadovm.kernels.BackwardOnChip;
import org.batchnorm.tornadovm.kernels.CollectStatistics;
import org.batchnorm.tornadovm.kernels.ForwardOnChip;
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
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * A layer's kernels as tasks of one graph, each with its arguments and its grid: the only place where they meet. What
 * is in a batch has been checked.
 */
final class KernelCalls {
    private final LayerPlan plan;
    private final LayerState state;
    private final TaskGraph graph;
    private final GridScheduler grids;
    private final IntArray samples;
    private final int samplesMode;
    private final KernelContext context = new KernelContext();

    /**
     * Adds nothing yet.
     *
     * @param samplesMode when N travels to the device, of {@link DataTransferMode}
     */
    KernelCalls(
            LayerPlan plan,
            LayerState state,
            TaskGraph graph,
            GridScheduler grids,
            SampleCount samples,
            int samplesMode) {
        this(plan, state, graph, grids, samples.array(), samplesMode);
    }

    private KernelCalls(
            LayerPlan plan, LayerState state, TaskGraph graph, GridScheduler grids, IntArray samples, int samplesMode) {
        this.plan = plan;
        this.state = state;
        this.graph = graph;
        this.grids = grids;
        this.samples = samples;
        this.samplesMode = samplesMode;
    }

    /** The same graph's tasks of another plan of the layer. */
    KernelCalls of(LayerPlan other) {
        return new KernelCalls(other, state, graph, grids, samples, samplesMode);
    }

    void collectStatistics(TornadoNativeArray x) {
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

    /**
     * The statistics of the partial results.
     *
     * @param tracking of {@link MergeStatistics}
     */
    void mergeStatistics(int tracking) {
        mergePartialStatistics("mergeStatistics", state.partialFirst, tracking);
    }

    /** The moments of the partial results. */
    void mergeMoments(DoubleArray moments) {
        mergePartialStatistics("mergeMoments", moments, MergeStatistics.MOMENTS);
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

    /** The statistics of moments that were merged elsewhere. */
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

    /** The running statistics in the place of a batch's. */
    void freezeStatistics() {
        state.use(graph, state.runningStatistics, state.statistics);
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
    void transform(
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

    /** The gradient by a residual, and by what it was added to. */
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

    void forwardOnChip(TornadoNativeArray x, TornadoNativeArray y, long chip) {
        Tiling tiling = plan.tiling();
        use(state.parameters, state.statistics, state.runningStatistics, state.numBatchesTracked);
        add(
                "forwardOnChip",
                tiling.onChipGrid(chip),
                task -> TypedKernel.addTask(
                        graph,
                        task,
                        ForwardOnChip.class,
                        context,
                        x,
                        y,
                        state.parameters,
                        state.statistics,
                        state.runningStatistics,
                        state.numBatchesTracked,
                        samples,
                        tiling.view(),
                        chip,
                        plan.config().eps(),
                        plan.config().momentum().orElse(0),
                        plan.tracking(),
                        plan.inputSlope(),
                        plan.outputSlope()));
    }

    /**
     * The sums of the work-groups.
     *
     * @param about {@link ReduceGradients#BATCH} or {@link ReduceGradients#GIVEN}
     */
    void reduceGradients(TornadoNativeArray x, TornadoNativeArray dy, int about) {
        use(state.noMoments);
        reduceGradients(x, dy, state.noMoments, about);
    }

    /** The sums of the work-groups of a part of a batch, whose moments are its own. */
    void reducePartGradients(TornadoNativeArray x, TornadoNativeArray dy, DoubleArray moments) {
        reduceGradients(x, dy, moments, ReduceGradients.PART);
    }

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
                        about + kindOfSums(),
                        plan.inputSlope(),
                        plan.outputSlope()));
    }

    private int kindOfSums() {
        return plan.device().fastFloat64() ? ReduceGradients.FLOAT64 : ReduceGradients.PAIRS;
    }

    /**
     * The gradients of γ and β, and the terms of the input's, of the sums of the work-groups.
     *
     * @param about of {@link ReduceGradients}
     */
    void mergeGradients(int about) {
        mergePartialGradients("mergeGradients", state.partialFirst, about);
    }

    /**
     * The sums of the sums of the work-groups.
     *
     * @param about {@link MergeGradients#SUMS} or {@link MergeGradients#SUMS_OF_PART}
     */
    void mergeSums(DoubleArray sums, int about) {
        mergePartialGradients("mergeSums", sums, about);
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

    /** The gradients of γ and β, and the terms of the input's, of sums that were merged elsewhere. */
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
    void inputGradient(TornadoNativeArray x, TornadoNativeArray dy, TornadoNativeArray dx, int about) {
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
                        about,
                        plan.inputSlope(),
                        plan.outputSlope()));
    }

    void backwardOnChip(TornadoNativeArray x, TornadoNativeArray dy, TornadoNativeArray dx, long chip) {
        Tiling tiling = plan.tiling();
        use(state.parameters, state.statistics, state.gradients);
        add(
                "backwardOnChip",
                tiling.onChipGrid(chip),
                task -> TypedKernel.addTask(
                        graph,
                        task,
                        BackwardOnChip.class,
                        context,
                        x,
                        dy,
                        dx,
                        state.parameters,
                        state.statistics,
                        state.gradients,
                        samples,
                        tiling.view(),
                        chip,
                        kindOfSums(),
                        plan.config().eps()));
    }

    /** The arrays of the layer that a kernel is about to use, and N. */
    private void use(Object... arrays) {
        state.use(graph, arrays);
        graph.transferToDevice(samplesMode, samples);
    }

    /**
     * Before the first of several tasks is added.
     *
     * @throws IllegalArgumentException if there is one of these already
     */
    void requireNew(String... tasks) {
        for (String task : tasks) {
            String key = key(task);
            if (grids.get(key) != null) {
                throw new IllegalArgumentException("prefix: \"" + plan.prefix()
                        + "\" given, but the grids have a task " + key
                        + " already; give each layer and each graph a name of its own");
            }
        }
    }

    private String name(String task) {
        return plan.prefix() + "_" + task;
    }

    private String key(String task) {
        return graph.getTaskGraphName() + "." + name(task);
    }

    private void add(String task, WorkerGrid grid, Consumer<String> adder) {
        requireNew(task);
        adder.accept(name(task));
        grids.addWorkerGrid(key(task), grid);
    }
}
