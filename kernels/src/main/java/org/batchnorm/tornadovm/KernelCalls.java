package org.batchnorm.tornadovm;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * A layer's kernels as tasks of one graph, each with its arguments and its grid: the only place where they meet. What
 * is in a batch has been checked. There is one for each type of a layer.
 */
abstract class KernelCalls {
    final LayerPlan plan;
    final TaskGraph graph;
    final IntArray samples;
    final KernelContext context = new KernelContext();
    private final LayerState state;
    private final Target target;

    /**
     * Where tasks go.
     *
     * @param samples N of each execution
     * @param samplesMode when N travels to the device, of {@link DataTransferMode}
     */
    record Target(TaskGraph graph, GridScheduler grids, IntArray samples, int samplesMode) {}

    /** Adds nothing yet. */
    KernelCalls(LayerPlan plan, LayerState state, Target target) {
        this.plan = plan;
        this.state = state;
        this.target = target;
        this.graph = target.graph;
        this.samples = target.samples;
    }

    final Target target() {
        return target;
    }

    /** The same graph's tasks of another plan of the layer. */
    abstract KernelCalls of(LayerPlan other);

    // ---- forward

    /** The training forward without a residual. */
    void forward(TornadoNativeArray x, TornadoNativeArray y) {
        forwardInStages(x, null, y);
    }

    /** The training forward by its stages. */
    final void forwardInStages(TornadoNativeArray x, @Nullable TornadoNativeArray residual, TornadoNativeArray y) {
        requireNewForward();
        batchStatistics(x);
        transform(x, residual, y);
    }

    /** The forward with the running statistics in the place of a batch's. */
    final void frozenForward(TornadoNativeArray x, @Nullable TornadoNativeArray residual, TornadoNativeArray y) {
        requireNewFrozenForward();
        freezeStatistics();
        transform(x, residual, y);
    }

    /** The statistics of a batch, which the running ones follow. */
    abstract void batchStatistics(TornadoNativeArray x);

    /** The moments of a batch. */
    abstract void collectStatistics(TornadoNativeArray x, DoubleArray moments);

    /** The statistics of moments that were merged elsewhere; the running ones follow. */
    abstract void mergedStatistics(DoubleArray moments);

    /** The running statistics in the place of a batch's. */
    abstract void freezeStatistics();

    /**
     * The map of a batch with the statistics as they are.
     *
     * @param residual what is added before the activation after batch norm; null: nothing
     */
    abstract void transform(TornadoNativeArray x, @Nullable TornadoNativeArray residual, TornadoNativeArray y);

    /** The same with the running statistics. */
    abstract void inference(TornadoNativeArray x, @Nullable TornadoNativeArray residual, TornadoNativeArray y);

    // ---- backward

    /** Backward through the batch's statistics. */
    void backward(TornadoNativeArray x, TornadoNativeArray dy, TornadoNativeArray dx) {
        requireNewBackward();
        batchGradients(x, dy);
        inputGradient(x, dy, dx);
    }

    /** Backward past given statistics. */
    final void frozenBackward(TornadoNativeArray x, TornadoNativeArray dy, TornadoNativeArray dx) {
        requireNewBackward();
        givenGradients(x, dy);
        givenInputGradient(x, dy, dx);
    }

    /** The gradient by a residual, and by what it was added to. */
    abstract void residualGradient(TornadoNativeArray y, TornadoNativeArray dy, TornadoNativeArray dresidual);

    /** The gradients of γ and β where the statistics are the batch's, and what the input's gradient needs of them. */
    abstract void batchGradients(TornadoNativeArray x, TornadoNativeArray dy);

    /** The gradients of γ and β where the statistics were given. */
    abstract void givenGradients(TornadoNativeArray x, TornadoNativeArray dy);

    /** The sums over a batch, with the statistics as they are. */
    abstract void reduceGradients(TornadoNativeArray x, TornadoNativeArray dy, DoubleArray sums);

    /** The same of a part of the batch that the statistics are of; the moments are the part's own. */
    abstract void reducePartGradients(
            TornadoNativeArray x, TornadoNativeArray dy, DoubleArray moments, DoubleArray sums);

    /** The gradients of γ and β, and the terms of the input's, of sums that were merged elsewhere. */
    abstract void mergedGradients(DoubleArray sums);

    /** The gradient of x through the batch's statistics. */
    abstract void inputGradient(TornadoNativeArray x, TornadoNativeArray dy, TornadoNativeArray dx);

    /** The gradient of x past given statistics; x is read with activations only. */
    abstract void givenInputGradient(TornadoNativeArray x, TornadoNativeArray dy, TornadoNativeArray dx);

    // ---- names: an operation of several tasks that is refused adds none of them

    /** Before the first of the tasks of {@link #batchStatistics} and {@link #transform}. */
    abstract void requireNewForward();

    /** Before the first of the tasks of {@link #freezeStatistics} and {@link #transform}. */
    private void requireNewFrozenForward() {
        requireNew("freezeStatistics", "transform");
    }

    /** Before the first of the tasks of a backward by its stages, through the batch's statistics or past given ones. */
    abstract void requireNewBackward();

    /** Before the residual's gradient, which {@link #backward} follows, of the plan without an activation after. */
    void requireNewResidualBackward() {
        requireNewBackward();
    }

    // ---- tasks

    /** The arrays of the layer that a kernel is about to use, and N. */
    final void use(Object... arrays) {
        state.use(graph, arrays);
        graph.transferToDevice(target.samplesMode, samples);
    }

    /** The arrays of the layer that a kernel is about to use which does not ask for N. */
    final void useWithoutSamples(Object... arrays) {
        state.use(graph, arrays);
    }

    /**
     * Before the first of several tasks is added.
     *
     * @throws IllegalArgumentException if there is one of these already
     */
    final void requireNew(String... tasks) {
        for (String task : tasks) {
            String key = key(task);
            if (target.grids.get(key) != null) {
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

    final void add(String task, WorkerGrid grid, Consumer<String> adder) {
        requireNew(task);
        adder.accept(name(task));
        target.grids.addWorkerGrid(key(task), grid);
    }
}
