package org.batchnorm.tornadovm;

import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.batchnorm.state.BatchNormState;
import org.batchnorm.state.LoadOptions;
import org.batchnorm.state.Tensor;
import org.batchnorm.tornadovm.kernels.BackwardOnChip;
import org.batchnorm.tornadovm.kernels.CollectStatistics;
import org.batchnorm.tornadovm.kernels.ForwardOnChip;
import org.batchnorm.tornadovm.kernels.FrozenStatistics;
import org.batchnorm.tornadovm.kernels.InputGradient;
import org.batchnorm.tornadovm.kernels.MergeGradients;
import org.batchnorm.tornadovm.kernels.MergeStatistics;
import org.batchnorm.tornadovm.kernels.ReduceGradients;
import org.batchnorm.tornadovm.kernels.Transform;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.LongArray;

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
 * norm.forward(graph, grids, h, z);               // h → z
 * graph.task("loss", ..., z, dz);
 * norm.backward(graph, grids, h, dz, dh);         // dz → dh, and the gradients of gamma and beta
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
 * <p><b>Shapes.</b> The data are {@link FloatArray}s that the caller owns or that earlier tasks produce, in the order
 * of the shape's layout, with at least as many values as the largest batch; y may be x, and dx may be dy or x (backward
 * needs the x that forward got). Batches smaller than the shape need a {@link SampleCount}.
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

    private static final Pattern PREFIX = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");

    static {
        TornadoSettings.prepare();
    }

    private final String prefix;
    private final BatchNormConfig config;
    private final BatchShape maxShape;
    private final DeviceLimits device;
    private final Tiling tiling;

    private final KernelContext context = new KernelContext();
    private final FloatArray parameters;
    private final FloatArray gradients;
    private final FloatArray statistics;
    private final FloatArray terms;
    private final FloatArray runningStatistics;
    private final LongArray numBatchesTracked;
    private final DoubleArray partialFirst;
    private final DoubleArray partialSecond;
    private final DoubleArray partialThird;
    private final SampleCount allSamples;

    private final DeviceArrays arrays = new DeviceArrays();

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
        TornadoSettings.requireNoBailout();
        if (!PREFIX.matcher(prefix).matches()) {
            throw new IllegalArgumentException("prefix: \"" + prefix
                    + "\" given, must be letters, digits and underscores, and begin with no digit");
        }
        if (maxShape.c() != config.features()) {
            throw new IllegalArgumentException("maxShape: " + maxShape + " has " + maxShape.c()
                    + " features, the configuration has " + config.features());
        }
        if (maxShape.elements() < 1) {
            throw new IllegalArgumentException(
                    "maxShape: " + maxShape + " has no values, must have at least 1 sample and 1 position");
        }
        this.prefix = prefix;
        this.config = config;
        this.maxShape = maxShape;
        this.device = device;
        this.tiling = Tiling.of(maxShape, device);
        int c = config.features();
        this.parameters = new FloatArray(2 * c);
        this.gradients = new FloatArray(2 * c);
        this.statistics = new FloatArray(4 * c);
        this.terms = new FloatArray(6 * c);
        this.runningStatistics = new FloatArray(config.trackRunningStatistics() ? 2 * c : 1);
        this.numBatchesTracked = new LongArray(config.trackRunningStatistics() ? c : 1);
        this.partialFirst = new DoubleArray(tiling.partials());
        this.partialSecond = new DoubleArray(tiling.partials());
        this.partialThird = new DoubleArray(tiling.partials());
        this.allSamples = SampleCount.atMost(Math.toIntExact(maxShape.n()));
        gradients.init(0);
        statistics.init(0);
        terms.init(0);
        fill(parameters, 0, c, 1);
        fill(parameters, c, c, 0);
        runningStatistics.init(0);
        numBatchesTracked.init(0);
        if (config.trackRunningStatistics()) {
            fill(runningStatistics, c, c, 1);
        }
    }

    // ---- tasks

    /**
     * {@link #forward(TaskGraph, GridScheduler, FloatArray, FloatArray, SampleCount)} on batches that always have the
     * shape's N.
     */
    public void forward(TaskGraph graph, GridScheduler grids, FloatArray x, FloatArray y) {
        forward(graph, grids, x, y, allSamples);
    }

    /**
     * Adds the training forward: the batch's statistics, {@code y = gamma · (x − mean) · rstd + beta} with them, and
     * {@code running = (1 − momentum) · running + momentum · batch}.
     *
     * @param x in, the batch
     * @param y out, the batch; may be x
     * @param samples N of each execution
     * @throws IllegalArgumentException if an array is too small, or if a feature would have only one value
     */
    public void forward(TaskGraph graph, GridScheduler grids, FloatArray x, FloatArray y, SampleCount samples) {
        requireTwoValues(samples);
        requireSize("x", x);
        requireSize("y", y);
        Optional<Tiling.OnChip> onChip = tiling.onChip(maxShape, 1, device);
        if (onChip.isPresent()) {
            addForwardOnChip(graph, grids, x, y, samples, onChip.get());
            return;
        }
        addStatistics(graph, grids, x, samples, config.trackRunningStatistics());
        transform(graph, grids, x, y, samples);
    }

    /**
     * {@link #collectStatistics(TaskGraph, GridScheduler, FloatArray, SampleCount)} on batches that always have the
     * shape's N.
     */
    public void collectStatistics(TaskGraph graph, GridScheduler grids, FloatArray x) {
        collectStatistics(graph, grids, x, allSamples);
    }

    /**
     * Adds the first half of the training forward: the batch's {@link #statistics()}. The running statistics stay as
     * they are.
     *
     * @param x in, the batch
     * @param samples N of each execution
     * @throws IllegalArgumentException if the array is too small, or if a feature would have only one value
     */
    public void collectStatistics(TaskGraph graph, GridScheduler grids, FloatArray x, SampleCount samples) {
        requireTwoValues(samples);
        requireSize("x", x);
        addStatistics(graph, grids, x, samples, false);
    }

    /**
     * Adds the second half of the training forward: {@code y = gamma · (x − mean) · rstd + beta} with the
     * {@link #statistics()} as they are, be they of {@link #collectStatistics} or written by the caller.
     *
     * @param x in, the batch
     * @param y out, the batch; may be x
     * @param samples N of each execution
     * @throws IllegalArgumentException if an array is too small
     */
    public void transform(TaskGraph graph, GridScheduler grids, FloatArray x, FloatArray y, SampleCount samples) {
        requireSize("x", x);
        requireSize("y", y);
        arrays.use(graph, parameters, statistics);
        addTransform(graph, grids, x, y, statistics, Transform.BATCH, samples, "transform");
    }

    /**
     * {@link #frozenForward(TaskGraph, GridScheduler, FloatArray, FloatArray, SampleCount)} on batches that always have
     * the shape's N.
     */
    public void frozenForward(TaskGraph graph, GridScheduler grids, FloatArray x, FloatArray y) {
        frozenForward(graph, grids, x, y, allSamples);
    }

    /**
     * Adds the training forward of a layer with frozen statistics: normalizes with the running statistics, leaves them
     * alone, and keeps what {@link #frozenBackward} needs.
     *
     * @param x in, the batch
     * @param y out, the batch; may be x
     * @param samples N of each execution
     * @throws IllegalArgumentException if an array is too small
     * @throws IllegalStateException if the layer tracks no statistics
     */
    public void frozenForward(TaskGraph graph, GridScheduler grids, FloatArray x, FloatArray y, SampleCount samples) {
        if (!config.trackRunningStatistics()) {
            throw new IllegalStateException(
                    "frozenForward: the layer tracks no running statistics and has none to normalize with");
        }
        requireSize("x", x);
        requireSize("y", y);
        arrays.use(graph, runningStatistics, statistics);
        add(
                graph,
                grids,
                "freezeStatistics",
                tiling.featureGrid(device),
                name -> graph.task(
                        name,
                        FrozenStatistics::freezeStatistics,
                        context,
                        runningStatistics,
                        statistics,
                        config.features(),
                        config.eps()));
        transform(graph, grids, x, y, samples);
    }

    /**
     * {@link #inference(TaskGraph, GridScheduler, FloatArray, FloatArray, SampleCount)} on batches that always have the
     * shape's N.
     */
    public void inference(TaskGraph graph, GridScheduler grids, FloatArray x, FloatArray y) {
        inference(graph, grids, x, y, allSamples);
    }

    /**
     * Adds inference: {@code y = gamma · (x − runningMean) / sqrt(runningVar + eps) + beta}, one kernel; nothing of the
     * layer changes. Without tracked statistics it normalizes with the batch's own.
     *
     * @param x in, the batch
     * @param y out, the batch; may be x
     * @param samples N of each execution
     * @throws IllegalArgumentException if an array is too small, or if without tracked statistics a feature would have
     *     only one value
     */
    public void inference(TaskGraph graph, GridScheduler grids, FloatArray x, FloatArray y, SampleCount samples) {
        if (!config.trackRunningStatistics()) {
            forward(graph, grids, x, y, samples);
            return;
        }
        requireSize("x", x);
        requireSize("y", y);
        arrays.use(graph, parameters, runningStatistics);
        addTransform(graph, grids, x, y, runningStatistics, Transform.RUNNING, samples, "inference");
    }

    /**
     * {@link #backward(TaskGraph, GridScheduler, FloatArray, FloatArray, FloatArray, SampleCount)} on batches that
     * always have the shape's N.
     */
    public void backward(TaskGraph graph, GridScheduler grids, FloatArray x, FloatArray dy, FloatArray dx) {
        backward(graph, grids, x, dy, dx, allSamples);
    }

    /**
     * Adds backward through the batch's statistics: {@link #gradients()}, and the gradient of x, with x̂ the normalized
     * x {@code dx = gamma · rstd / m · (m · dy − dbeta − x̂ · dgamma)}.
     *
     * @param x in, the batch that {@link #forward} got
     * @param dy in, the gradient of its y
     * @param dx out, the gradient of x; may be dy or x
     * @param samples N of each execution
     * @throws IllegalArgumentException if an array is too small, or if a feature would have only one value
     */
    public void backward(
            TaskGraph graph, GridScheduler grids, FloatArray x, FloatArray dy, FloatArray dx, SampleCount samples) {
        requireTwoValues(samples);
        requireSize("x", x);
        requireSize("dy", dy);
        requireSize("dx", dx);
        Optional<Tiling.OnChip> onChip = tiling.onChip(maxShape, 2, device);
        if (onChip.isPresent()) {
            addBackwardOnChip(graph, grids, x, dy, dx, samples, onChip.get());
            return;
        }
        addGradients(graph, grids, x, dy, samples, ReduceGradients.BATCH);
        inputGradient(graph, grids, x, dy, dx, samples);
    }

    /**
     * Adds the first half of backward: {@link #gradients()} and {@link #terms()} of the batch, with the
     * {@link #statistics()} as they are. They may be those of a larger batch, so that the mean of x is taken as it is
     * given; {@link #backward} knows better, and keeps digits of dgamma that this loses where dy has a mean of many
     * deviations.
     *
     * @param x in, the batch that the forward got
     * @param dy in, the gradient of its y
     * @param samples N of each execution
     * @throws IllegalArgumentException if an array is too small
     */
    public void reduceGradients(
            TaskGraph graph, GridScheduler grids, FloatArray x, FloatArray dy, SampleCount samples) {
        requireSize("x", x);
        requireSize("dy", dy);
        addGradients(graph, grids, x, dy, samples, ReduceGradients.GIVEN);
    }

    /**
     * Adds the second half of backward through the batch's statistics: the gradient of x with the {@link #terms()} as
     * they are, be they of {@link #reduceGradients} or written by the caller.
     *
     * @param x in, the batch that the forward got
     * @param dy in, the gradient of its y
     * @param dx out, the gradient of x; may be dy or x
     * @param samples N of each execution
     * @throws IllegalArgumentException if an array is too small
     */
    public void inputGradient(
            TaskGraph graph, GridScheduler grids, FloatArray x, FloatArray dy, FloatArray dx, SampleCount samples) {
        requireSize("x", x);
        requireSize("dy", dy);
        requireSize("dx", dx);
        arrays.use(graph, statistics, terms);
        transfer(graph, samples);
        add(
                graph,
                grids,
                "inputGradient",
                tiling.grid(),
                name -> graph.task(
                        name,
                        InputGradient::inputGradient,
                        context,
                        x,
                        dy,
                        dx,
                        statistics,
                        terms,
                        samples.array(),
                        tiling.rowsPerSample(),
                        tiling.columns(),
                        tiling.spatial(),
                        tiling.span(),
                        tiling.tileColumns(),
                        tiling.tileRows(),
                        tiling.groups()));
    }

    /**
     * {@link #frozenBackward(TaskGraph, GridScheduler, FloatArray, FloatArray, FloatArray, SampleCount)} on batches
     * that always have the shape's N.
     */
    public void frozenBackward(TaskGraph graph, GridScheduler grids, FloatArray x, FloatArray dy, FloatArray dx) {
        frozenBackward(graph, grids, x, dy, dx, allSamples);
    }

    /**
     * Adds backward past frozen statistics: {@link #gradients()}, and {@code dx = gamma · rstd · dy}.
     *
     * @param x in, the batch that {@link #frozenForward} got
     * @param dy in, the gradient of its y
     * @param dx out, the gradient of x; may be dy or x
     * @param samples N of each execution
     * @throws IllegalArgumentException if an array is too small
     */
    public void frozenBackward(
            TaskGraph graph, GridScheduler grids, FloatArray x, FloatArray dy, FloatArray dx, SampleCount samples) {
        requireSize("x", x);
        requireSize("dy", dy);
        requireSize("dx", dx);
        reduceGradients(graph, grids, x, dy, samples);
        frozenInputGradient(graph, grids, dy, dx, samples);
    }

    /**
     * Adds the second half of backward past frozen statistics: {@code dx = gamma · rstd · dy}, with rstd of the
     * {@link #statistics()} as they are.
     *
     * @param dy in, the gradient of y
     * @param dx out, the gradient of x; may be dy
     * @param samples N of each execution
     * @throws IllegalArgumentException if an array is too small
     */
    public void frozenInputGradient(
            TaskGraph graph, GridScheduler grids, FloatArray dy, FloatArray dx, SampleCount samples) {
        requireSize("dy", dy);
        requireSize("dx", dx);
        arrays.use(graph, parameters, statistics);
        transfer(graph, samples);
        add(
                graph,
                grids,
                "inputGradient",
                tiling.grid(),
                name -> graph.task(
                        name,
                        InputGradient::frozenInputGradient,
                        context,
                        dy,
                        dx,
                        parameters,
                        statistics,
                        samples.array(),
                        tiling.rowsPerSample(),
                        tiling.columns(),
                        tiling.spatial(),
                        tiling.span(),
                        tiling.tileColumns(),
                        tiling.tileRows(),
                        tiling.groups()));
    }

    /**
     * Makes the arrays of this layer that earlier graphs brought to the device known to a graph, so that it hands them
     * on. The methods that add tasks do it by themselves; a graph without any of them needs it where it is executed
     * between two that have, or where its own tasks use {@link #parameters()} or {@link #gradients()}.
     */
    public void attach(TaskGraph graph) {
        arrays.attach(graph);
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
     * @throws IllegalStateException if the layer has no affine parameters
     */
    public FloatArray parameters() {
        requireAffine("parameters");
        return parameters;
    }

    /**
     * The gradients of γ and β: (2, C), dgamma then dbeta, overwritten by each backward.
     *
     * @throws IllegalStateException if the layer has no affine parameters
     */
    public FloatArray gradients() {
        requireAffine("gradients");
        return gradients;
    }

    /**
     * The statistics that the last forward normalized with: (4, C), mean, meanLow (what rounding took from the mean),
     * biased variance, rstd.
     */
    public FloatArray statistics() {
        return statistics;
    }

    /**
     * What {@link #inputGradient} needs of the gradients of γ and β: (6, C), overwritten by each backward. Who has them
     * from elsewhere writes it with {@link MergeGradients#storeTerms}.
     */
    public FloatArray terms() {
        return terms;
    }

    /**
     * The running statistics: (2, C), mean then (unbiased) variance.
     *
     * @throws IllegalStateException if the layer tracks none
     */
    public FloatArray runningStatistics() {
        requireTracking("runningStatistics");
        return runningStatistics;
    }

    /**
     * How many batches the running statistics have seen: (C), the same number C times.
     *
     * @throws IllegalStateException if the layer tracks none
     */
    public LongArray numBatchesTracked() {
        requireTracking("numBatchesTracked");
        return numBatchesTracked;
    }

    /** The layer's configuration. */
    public BatchNormConfig config() {
        return config;
    }

    /** The shape of the largest batch. */
    public BatchShape maxShape() {
        return maxShape;
    }

    /** The names of the graph's tasks that are this layer's begin with it. */
    public String prefix() {
        return prefix;
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
        arrays.read(result, parameters, runningStatistics, numBatchesTracked);
        return hostState().tensors();
    }

    /**
     * Sets the layer's state, which travels to the device at the first execution; afterwards what is there counts.
     *
     * @param state as {@link #state} or a {@link org.batchnorm.BatchNorm} layer gives it; nothing missing, nothing more
     * @throws IllegalArgumentException if a tensor is missing, unknown, of another type or of another shape; nothing is
     *     changed then
     */
    public void loadState(Map<String, Tensor> state) {
        BatchNormState given = hostState().loaded(state, LoadOptions.strict()).state();
        int c = config.features();
        if (config.affine()) {
            copy(given.weight(), parameters, 0);
            copy(given.bias(), parameters, c);
        }
        if (config.trackRunningStatistics()) {
            copy(given.runningMean(), runningStatistics, 0);
            copy(given.runningVar(), runningStatistics, c);
            numBatchesTracked.init(given.numBatchesTracked());
        }
    }

    private BatchNormState hostState() {
        int c = config.features();
        boolean affine = config.affine();
        boolean tracking = config.trackRunningStatistics();
        return BatchNormState.of(
                affine ? values(parameters, 0, c) : null,
                affine ? values(parameters, c, c) : null,
                tracking ? values(runningStatistics, 0, c) : null,
                tracking ? values(runningStatistics, c, c) : null,
                tracking ? numBatchesTracked.get(0) : 0);
    }

    // ---- building

    private void addStatistics(
            TaskGraph graph, GridScheduler grids, FloatArray x, SampleCount samples, boolean updateRunningStatistics) {
        arrays.use(graph, statistics, runningStatistics, numBatchesTracked, partialFirst, partialSecond);
        transfer(graph, samples);
        add(
                graph,
                grids,
                "collectStatistics",
                tiling.grid(),
                name -> graph.task(
                        name,
                        CollectStatistics::collectStatistics,
                        context,
                        x,
                        partialFirst,
                        partialSecond,
                        samples.array(),
                        tiling.rowsPerSample(),
                        tiling.columns(),
                        tiling.spatial(),
                        tiling.span(),
                        tiling.tileColumns(),
                        tiling.tileRows(),
                        tiling.groups()));
        add(
                graph,
                grids,
                "mergeStatistics",
                tiling.mergeGrid(device),
                name -> graph.task(
                        name,
                        MergeStatistics::mergeStatistics,
                        context,
                        partialFirst,
                        partialSecond,
                        statistics,
                        runningStatistics,
                        numBatchesTracked,
                        samples.array(),
                        tiling.rowsPerSample(),
                        tiling.features(),
                        tiling.span(),
                        tiling.groups(),
                        tiling.tileRows(),
                        tiling.mergeColumns(device),
                        tiling.mergeRows(device),
                        config.eps(),
                        config.momentum().orElse(0),
                        tracking(updateRunningStatistics)));
    }

    private void addTransform(
            TaskGraph graph,
            GridScheduler grids,
            FloatArray x,
            FloatArray y,
            FloatArray source,
            int kind,
            SampleCount samples,
            String task) {
        transfer(graph, samples);
        add(
                graph,
                grids,
                task,
                tiling.grid(),
                name -> graph.task(
                        name,
                        Transform::transform,
                        context,
                        x,
                        y,
                        parameters,
                        source,
                        samples.array(),
                        tiling.rowsPerSample(),
                        tiling.columns(),
                        tiling.spatial(),
                        tiling.span(),
                        tiling.tileColumns(),
                        tiling.tileRows(),
                        tiling.groups(),
                        kind,
                        config.eps()));
    }

    private void addGradients(
            TaskGraph graph, GridScheduler grids, FloatArray x, FloatArray dy, SampleCount samples, int about) {
        arrays.use(graph, parameters, statistics, gradients, terms, partialFirst, partialSecond, partialThird);
        transfer(graph, samples);
        add(
                graph,
                grids,
                "reduceGradients",
                tiling.grid(),
                name -> graph.task(
                        name,
                        ReduceGradients::reduceGradients,
                        context,
                        x,
                        dy,
                        statistics,
                        partialFirst,
                        partialSecond,
                        partialThird,
                        samples.array(),
                        tiling.rowsPerSample(),
                        tiling.columns(),
                        tiling.spatial(),
                        tiling.span(),
                        tiling.tileColumns(),
                        tiling.tileRows(),
                        tiling.groups(),
                        about));
        add(
                graph,
                grids,
                "mergeGradients",
                tiling.mergeGrid(device),
                name -> graph.task(
                        name,
                        MergeGradients::mergeGradients,
                        context,
                        partialFirst,
                        partialSecond,
                        partialThird,
                        parameters,
                        statistics,
                        gradients,
                        terms,
                        samples.array(),
                        tiling.rowsPerSample(),
                        tiling.features(),
                        tiling.span(),
                        tiling.groups(),
                        tiling.mergeColumns(device),
                        tiling.mergeRows(device),
                        config.eps(),
                        about));
    }

    private void addForwardOnChip(
            TaskGraph graph, GridScheduler grids, FloatArray x, FloatArray y, SampleCount samples, Tiling.OnChip chip) {
        arrays.use(graph, parameters, statistics, runningStatistics, numBatchesTracked);
        transfer(graph, samples);
        add(
                graph,
                grids,
                "forwardOnChip",
                tiling.grid(chip),
                name -> graph.task(
                        name,
                        ForwardOnChip::forwardOnChip,
                        context,
                        x,
                        y,
                        parameters,
                        statistics,
                        runningStatistics,
                        numBatchesTracked,
                        samples.array(),
                        tiling.rowsPerSample(),
                        tiling.columns(),
                        tiling.spatial(),
                        tiling.span(),
                        chip.tileColumns(),
                        chip.tileRows(),
                        chip.keep(),
                        config.eps(),
                        config.momentum().orElse(0),
                        tracking(config.trackRunningStatistics())));
    }

    private void addBackwardOnChip(
            TaskGraph graph,
            GridScheduler grids,
            FloatArray x,
            FloatArray dy,
            FloatArray dx,
            SampleCount samples,
            Tiling.OnChip chip) {
        arrays.use(graph, parameters, statistics, gradients);
        transfer(graph, samples);
        add(
                graph,
                grids,
                "backwardOnChip",
                tiling.grid(chip),
                name -> graph.task(
                        name,
                        BackwardOnChip::backwardOnChip,
                        context,
                        x,
                        dy,
                        dx,
                        parameters,
                        statistics,
                        gradients,
                        samples.array(),
                        tiling.rowsPerSample(),
                        tiling.columns(),
                        tiling.spatial(),
                        tiling.span(),
                        chip.tileColumns(),
                        chip.tileRows(),
                        chip.keep(),
                        config.eps()));
    }

    private int tracking(boolean updateRunningStatistics) {
        if (!updateRunningStatistics) {
            return MergeStatistics.UNTRACKED;
        }
        return config.momentum().isPresent() ? MergeStatistics.EXPONENTIAL : MergeStatistics.CUMULATIVE;
    }

    private void transfer(TaskGraph graph, SampleCount samples) {
        if (samples.max() > maxShape.n()) {
            throw new IllegalArgumentException("samples: at most " + samples.max() + " given, the shape " + maxShape
                    + " has at most " + maxShape.n());
        }
        graph.transferToDevice(
                samples == allSamples ? DataTransferMode.FIRST_EXECUTION : DataTransferMode.EVERY_EXECUTION,
                samples.array());
    }

    private void add(TaskGraph graph, GridScheduler grids, String task, WorkerGrid grid, TaskAdder adder) {
        String name = prefix + "_" + task;
        String key = graph.getTaskGraphName() + "." + name;
        if (grids.get(key) != null) {
            throw new IllegalArgumentException("prefix: \"" + prefix + "\" given, but the grids have a task " + key
                    + " already; give each layer and each graph a name of its own");
        }
        adder.add(name);
        grids.addWorkerGrid(key, grid);
    }

    // ---- checks and helpers

    private void requireTwoValues(SampleCount samples) {
        long spatial = maxShape.spatial();
        if (maxShape.valuesPerFeature() < 2) {
            throw new IllegalArgumentException(
                    "maxShape: " + maxShape + " given, training expects more than 1 value per feature");
        }
        samples.requireAtLeast(
                spatial == 1 ? 2 : 1,
                "at least " + (spatial == 1 ? 2 : 1) + ", because training expects more than 1 value per feature");
    }

    private void requireSize(String name, FloatArray array) {
        if (array.getSize() < maxShape.elements()) {
            throw new IllegalArgumentException(name + ": an array of " + array.getSize() + " values given, " + maxShape
                    + " needs " + maxShape.elements());
        }
    }

    private void requireAffine(String what) {
        if (!config.affine()) {
            throw new IllegalStateException(what + ": the layer has no affine parameters");
        }
    }

    private void requireTracking(String what) {
        if (!config.trackRunningStatistics()) {
            throw new IllegalStateException(what + ": the layer tracks no running statistics");
        }
    }

    private static void fill(FloatArray array, int offset, int count, float value) {
        for (int i = 0; i < count; i++) {
            array.set(offset + i, value);
        }
    }

    private static void copy(float[] values, FloatArray array, int offset) {
        for (int i = 0; i < values.length; i++) {
            array.set(offset + i, values[i]);
        }
    }

    private static float[] values(FloatArray array, int offset, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = array.get(offset + i);
        }
        return values;
    }

    /** Adds one task of a given name. */
    @FunctionalInterface
    private interface TaskAdder {
        Object add(String name);
    }
}
