package org.batchnorm.tornadovm;

import java.util.Map;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.FeatureValues;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.InputFromOutput;
import org.batchnorm.state.LoadOptions;
import org.batchnorm.state.LoadResult;
import org.batchnorm.state.Tensor;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.LongArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * A batch normalization layer as tasks of a TornadoVM task graph of the caller's: nothing leaves the device unless
 * asked for.
 *
 * <pre>{@code
 * BatchNormTasks norm = new BatchNormTasks("norm", BatchNormConfig.of(100), BatchShape.of(64, 100), device);
 *
 * TaskGraph graph = new TaskGraph("step");
 * GridScheduler grids = new GridScheduler();
 * graph.transferToDevice(DataTransferMode.EVERY_EXECUTION, x);
 * graph.task("linear", ..., x, h);
 * norm.on(graph, grids).forward(h, z);            // h → z
 * graph.task("loss", ..., z, dz);
 * norm.on(graph, grids).backward(h, dz, dh);      // dz → dh, and the gradients of gamma and beta
 * graph.task("update", ..., norm.parameters(), norm.gradients());
 *
 * try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
 *     BatchNormTasks.configure(plan, grids, device);
 *     TornadoExecutionResult result = plan.execute();
 *     Map<String, Tensor> state = norm.state(result);
 * }
 * }</pre>
 *
 * The dataflow of a training step, per-feature arrays in brackets:
 *
 * <pre>
 *   forward                                            backward
 *   x ─ collectStatistics ─ [partials]                 x, dy ─ reduceGradients ─ [partials]
 *            mergeStatistics ─ [statistics]                      mergeGradients ─ [gradients, terms]
 *                            └ [runningStatistics]     x, dy ─ inputGradient ─ dx
 *   x ─ transform ─ y
 * </pre>
 *
 * Where a work-group can keep whole features on chip, one kernel each, {@code forwardOnChip} and
 * {@code backwardOnChip}, does the same and reads x (and dy) once.
 *
 * <p><b>Several devices.</b> {@link Pieces} has the steps one by one as well, with moments and sums as arrays between
 * them, so that layers which have a part of a batch each can normalize it as one: {@link Summaries}.
 *
 * <p><b>Activations.</b> {@link #builder} gives a layer that applies ReLU or LeakyReLU before batch norm, after it or
 * both, in the same passes over memory: every piece is then of {@code y = output(BN(input(x)))}.
 *
 * <p><b>In place.</b> {@link BatchNormTasksBuilder#recomputeInputFromOutput} gives a layer whose backward needs y where
 * it else needs x, so that y may be written over x and nobody keeps x.
 *
 * <p><b>Shapes.</b> The data are {@link FloatArray}s, on TornadoVM's backend CUDA arrays of 16-bit types as well
 * ({@link Pieces}), or, of a layer whose configuration is of FLOAT64, {@link DoubleArray}s, that the caller owns or
 * that earlier tasks produce, in the order of the shape's layout, with at least as many values as the largest batch; y
 * may be x, and dx may be dy or x (backward needs the x that forward got). Batches smaller than the shape need a
 * {@link SampleCount}.
 *
 * <p><b>FLOAT64.</b> A layer whose configuration is of FLOAT64 ({@link BatchNormConfig#elementType}) has its batches,
 * parameters, gradients and statistics in {@link DoubleArray}s: {@link #doubleParameters()} and so on. Every device has
 * float64, as one without is refused; many GPUs have one operation of it for 32 or 64 of float32.
 *
 * <p><b>Several graphs of one plan.</b> The same layer may be added to more than one graph, say forward to one and
 * backward and inference to others, in the order in which they are first executed. Each of its arrays is brought to the
 * device by the first graph that uses it and handed on to the later ones by TornadoVM's {@code consumeFromDevice},
 * which takes it from the graph executed just before: a graph without this layer that runs in between needs
 * {@link #attach}. For the caller's own arrays the caller does the same and names the source graphs:
 * {@code consumeFromDevice("forward", h)}.
 *
 * <p><b>Plans</b> must be set up by {@link #configure} or alike: the grids, and on OpenCL other compiler flags than
 * TornadoVM's, which allow a compiler to forget NaN and to reorder sums. Start Java with
 * {@code -Dtornado.recover.bailout=False}: otherwise TornadoVM answers a kernel that fails to compile by running it as
 * sequential Java, which gives wrong numbers, and this class refuses to be created.
 *
 * <p>Not thread-safe; graphs are built by one thread.
 */
public final class BatchNormTasks {

    /** OpenCL compiler flags that keep NaN, infinity and the order of sums. */
    public static final String OPENCL_FLAGS = "-cl-mad-enable -w";

    /** The most values that a batch may have: TornadoVM indexes its arrays by {@code int}. */
    public static final long MAX_ELEMENTS = Tiling.MAX_ELEMENTS;

    static {
        TornadoSettings.prepare();
    }

    private final LayerPlan plan;
    private final LayerState state;
    private final SampleCount allSamples;

    /**
     * A layer with γ = 1, β = 0, running mean 0 and running variance 1, until {@link #loadState}.
     *
     * @param prefix what its task names begin with, unique in every graph: letters, digits and underscores
     * @param config the layer's configuration
     * @param maxShape the shape of the largest batch
     * @param device where the graphs will run; decides grids and work-group sizes
     * @throws IllegalArgumentException if the prefix is not a name, if the shape has other features than the
     *     configuration, if it has more values than TornadoVM can address, or if the device has no float64
     * @throws IllegalStateException if TornadoVM would run kernels that do not compile as sequential Java
     */
    public BatchNormTasks(String prefix, BatchNormConfig config, BatchShape maxShape, TornadoDevice device) {
        this(prefix, config, maxShape, DeviceLimits.of(device));
    }

    /**
     * The same with other limits than a device tells of itself: without local memory, say, every kernel is one of the
     * two-stage kind.
     *
     * @param prefix what its task names begin with, unique in every graph: letters, digits and underscores
     * @param config the layer's configuration
     * @param maxShape the shape of the largest batch
     * @param device decides grids and work-group sizes
     * @throws IllegalArgumentException if the prefix is not a name, if the shape has other features than the
     *     configuration, or if it has more values than TornadoVM can address
     * @throws IllegalStateException if TornadoVM would run kernels that do not compile as sequential Java
     */
    public BatchNormTasks(String prefix, BatchNormConfig config, BatchShape maxShape, DeviceLimits device) {
        this(LayerPlan.of(prefix, config, maxShape, Activations.NONE, false, device));
    }

    BatchNormTasks(LayerPlan plan) {
        TornadoSettings.requireNoBailout();
        this.plan = plan;
        this.state = LayerState.of(plan);
        this.allSamples = SampleCount.atMost(Math.toIntExact(plan.maxShape().n()));
    }

    /**
     * A layer that does more than batch normalization, step by step.
     *
     * @param prefix what its task names begin with, unique in every graph: letters, digits and underscores
     * @param config the layer's configuration
     * @param maxShape the shape of the largest batch
     */
    public static BatchNormTasksBuilder builder(String prefix, BatchNormConfig config, BatchShape maxShape) {
        return new BatchNormTasksBuilder(prefix, config, maxShape);
    }

    /** {@link #on(TaskGraph, GridScheduler, SampleCount)} for batches that always have the shape's N. */
    public Pieces on(TaskGraph graph, GridScheduler grids) {
        return pieces(graph, grids, allSamples, DataTransferMode.FIRST_EXECUTION);
    }

    /**
     * What this layer can add to a graph. Nothing is added yet.
     *
     * @param graph gets the tasks
     * @param grids get their grids, by "graph.prefix_task"
     * @param samples N of each execution
     * @throws IllegalArgumentException if there may be more samples than the shape has
     */
    public Pieces on(TaskGraph graph, GridScheduler grids, SampleCount samples) {
        plan.requireSamples(samples);
        return pieces(graph, grids, samples, DataTransferMode.EVERY_EXECUTION);
    }

    private Pieces pieces(TaskGraph graph, GridScheduler grids, SampleCount samples, int samplesMode) {
        KernelCalls.Target target = new KernelCalls.Target(graph, grids, samples.array(), samplesMode);
        return new Pieces(plan, samples, state.calls(plan, target));
    }

    /**
     * Makes the arrays of this layer that earlier graphs brought to the device known to a graph, so that it hands them
     * on. The methods that add tasks do it by themselves; a graph without any of them needs it where it is executed
     * between two that have, or where its own tasks use {@link #parameters()} or {@link #gradients()}.
     */
    public void attach(TaskGraph graph) {
        state.attach(graph);
    }

    /**
     * Sets up a plan as the kernels need it: the device, the grids, and on OpenCL {@link #OPENCL_FLAGS}.
     *
     * @param grids those that the pieces were added to; they may hold the caller's own as well
     * @param device the one that the pieces were created for
     * @return the plan
     */
    public static TornadoExecutionPlan configure(TornadoExecutionPlan plan, GridScheduler grids, TornadoDevice device) {
        return plan.withDevice(device)
                .withGridScheduler(grids)
                .withCompilerFlags(TornadoVMBackendType.OPENCL, OPENCL_FLAGS);
    }

    // ---- arrays

    /**
     * γ and β: (2, C), gamma then beta. On the device they live in this array's buffer; tasks that change them (an
     * optimizer) take the array itself.
     *
     * @throws IllegalStateException if the layer has no affine parameters, or is of FLOAT64
     */
    public FloatArray parameters() {
        plan.requireAffine("parameters");
        return floats("parameters", "doubleParameters", state.parameters());
    }

    /**
     * γ and β of a layer of FLOAT64: (2, C), gamma then beta. As {@link #parameters()} they live on the device.
     *
     * @throws IllegalStateException if the layer has no affine parameters, or is of FLOAT32
     */
    public DoubleArray doubleParameters() {
        plan.requireAffine("doubleParameters");
        return doubles("doubleParameters", "parameters", state.parameters());
    }

    /**
     * Checks that γ and β let x̂ be made of y ({@link BatchNormTasksBuilder#recomputeInputFromOutput}), as the host has
     * them: those of {@link #loadState}, written by the caller, or after {@code result.transferToHost(parameters())}
     * those of the device.
     *
     * @throws IllegalArgumentException if some |γ| is less than |β| / 1024, or not within 2⁻³² to 2³²; the message
     *     names the feature
     */
    public void requireRecoverableInput() {
        FeatureValues gamma = state.row(state.parameters(), 0);
        FeatureValues beta = state.row(state.parameters(), 1);
        for (int c = 0; c < config().features(); c++) {
            InputFromOutput.requireRecoverable(c, gamma.get(c), beta.get(c));
        }
    }

    /**
     * The gradients of γ and β: (2, C), dgamma then dbeta, overwritten by each backward.
     *
     * @throws IllegalStateException if the layer has no affine parameters, or is of FLOAT64
     */
    public FloatArray gradients() {
        plan.requireAffine("gradients");
        return floats("gradients", "doubleGradients", state.gradients());
    }

    /**
     * The gradients of γ and β of a layer of FLOAT64: (2, C), dgamma then dbeta, overwritten by each backward.
     *
     * @throws IllegalStateException if the layer has no affine parameters, or is of FLOAT32
     */
    public DoubleArray doubleGradients() {
        plan.requireAffine("doubleGradients");
        return doubles("doubleGradients", "gradients", state.gradients());
    }

    /**
     * The statistics that the last forward normalized with: (4, C), mean, meanLow (what rounding took from the mean),
     * biased variance, rstd.
     *
     * @throws IllegalStateException if the layer is of FLOAT64
     */
    public FloatArray statistics() {
        return floats("statistics", "doubleStatistics", state.statistics());
    }

    /**
     * The statistics that the last forward of a layer of FLOAT64 normalized with: (4, C), mean, meanLow (what rounding
     * took from the mean), biased variance, rstd.
     *
     * @throws IllegalStateException if the layer is of FLOAT32
     */
    public DoubleArray doubleStatistics() {
        return doubles("doubleStatistics", "statistics", state.statistics());
    }

    /**
     * The running statistics: (2, C), mean then (unbiased) variance.
     *
     * @throws IllegalStateException if the layer tracks none, or is of FLOAT64
     */
    public FloatArray runningStatistics() {
        plan.requireTracking("runningStatistics");
        return floats("runningStatistics", "doubleRunningStatistics", state.runningStatistics());
    }

    /**
     * The running statistics of a layer of FLOAT64: (2, C), mean then (unbiased) variance.
     *
     * @throws IllegalStateException if the layer tracks none, or is of FLOAT32
     */
    public DoubleArray doubleRunningStatistics() {
        plan.requireTracking("doubleRunningStatistics");
        return doubles("doubleRunningStatistics", "runningStatistics", state.runningStatistics());
    }

    private static FloatArray floats(String name, String ofFloat64, TornadoNativeArray array) {
        if (array instanceof FloatArray floats) {
            return floats;
        }
        throw new IllegalStateException(name + ": a layer of FLOAT64 has a DoubleArray; take " + ofFloat64 + "()");
    }

    private static DoubleArray doubles(String name, String ofFloat32, TornadoNativeArray array) {
        if (array instanceof DoubleArray doubles) {
            return doubles;
        }
        throw new IllegalStateException(name + ": a layer of FLOAT32 has a FloatArray; take " + ofFloat32
                + "(), or a configuration whose elementType is FLOAT64");
    }

    /**
     * How many batches the running statistics have seen: (C), the same number C times.
     *
     * @throws IllegalStateException if the layer tracks none
     */
    public LongArray numBatchesTracked() {
        plan.requireTracking("numBatchesTracked");
        return state.numBatchesTracked;
    }

    /** The layer's configuration. */
    public BatchNormConfig config() {
        return plan.config();
    }

    /** The shape of the largest batch. */
    public BatchShape maxShape() {
        return plan.maxShape();
    }

    /** The names of the graph's tasks that are this layer's begin with it. */
    public String prefix() {
        return plan.prefix();
    }

    // ---- state

    /**
     * Reads the layer's state from the device, under PyTorch's names: {@code weight}, {@code bias},
     * {@code running_mean}, {@code running_var}, (C) each, and {@code num_batches_tracked}; without those that the
     * configuration excludes.
     *
     * @param result of the last execution, of a graph that has this layer and was not built before the one that trains
     *     it
     */
    public Map<String, Tensor> state(TornadoExecutionResult result) {
        return state.read(result);
    }

    /** {@link #loadState(Map, LoadOptions)} of exactly the tensors of {@link #state}. */
    public void loadState(Map<String, Tensor> state) {
        loadState(state, LoadOptions.strict());
    }

    /**
     * Sets the layer's state, which travels to the device at the first execution; afterwards what is there counts.
     *
     * @param state as {@link #state} or a {@link org.batchnorm.BatchNorm} layer gives it, or a whole model's file
     * @return what was missing and unexpected: nothing in strict mode
     * @throws IllegalArgumentException if a tensor does not fit, as {@link LoadOptions} says; nothing is changed then
     */
    public LoadResult loadState(Map<String, Tensor> state, LoadOptions options) {
        return this.state.load(state, options);
    }
}
