package org.batchnorm;

import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.OptionalDouble;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.state.LoadOptions;
import org.batchnorm.state.LoadResult;
import org.batchnorm.state.Tensor;

/**
 * A batch normalization layer (Ioffe &amp; Szegedy, 2015) with the conventions of PyTorch's {@code BatchNorm1d},
 * {@code 2d} and {@code 3d}.
 *
 * <p>In training each feature is normalized with its mean and biased variance over the batch (N and S, m = N·S values),
 *
 * <pre>{@code y = gamma · (x − mean) · rstd + beta,   rstd = 1 / sqrt(var + eps)}</pre>
 *
 * and the running statistics follow the batches, the variance being the unbiased one (divisor m − 1):
 *
 * <pre>{@code running = (1 − momentum) · running + momentum · batch}</pre>
 *
 * In inference the running statistics take the place of the batch's. The backward operation computes exact gradients
 * through the statistics and <em>adds</em> those of γ and β to {@link #weightGradient()} and {@link #biasGradient()},
 * until {@link #zeroGradients()}.
 *
 * <pre>{@code
 * BatchShape shape = BatchShape.of(60, 200);
 * Batch x = Batch.of(new float[60 * 200], shape);       // and y, dy, dx
 * try (BatchNorm layer = BatchNorm.builder(200).build()) {
 *     layer.forward(x, y);                              // training is the initial mode
 *     layer.backward(x, dy, dx);
 *     layer.eval();
 *     layer.forward(x, y);
 * }
 * }</pre>
 *
 * <p><b>Data</b> are {@link Batch}es: float32, or either 16-bit type, in arrays or in {@link MemorySegment}s, on or off
 * the heap, of at least the shape's elements. Nothing is copied, and what lies behind the elements is left alone, so
 * that a last, smaller batch may use the buffer of the others. Arrays and segments can be given as they are, too, with
 * one shape for all of them. Batches of a layer of FLOAT64 ({@link BatchNormBuilder#elementType}) are in
 * {@code double[]}s or segments, and so are its arrays: {@link #doubleWeight()} and so on. y may be the same memory as
 * x, and dx the same as dy or x; overlap in part is an error. After a forward in place, backward needs a copy of x that
 * the caller made before, or takes y ({@link BatchNormBuilder#recomputeInputFromOutput}).
 *
 * <p><b>Threads.</b> In inference mode any number of threads may call {@link #forward(Batch, Batch)} at once.
 * Everything that changes the layer (training, backward, loading, changing the mode) belongs to one thread at a time; a
 * training forward or a backward that meets another one is refused with an {@link IllegalStateException}.
 *
 * <p><b>Errors.</b> Bad arguments end in an {@link IllegalArgumentException} or {@link IllegalStateException} that
 * names the argument, what was given and what would be right, before anything is changed.
 */
public final class BatchNorm implements AutoCloseable {
    final BatchNormFunction function;
    final OneThread oneThread;
    final LayerState state;
    private final SavedStatistics ownSaved;
    private final LayerForward forward;
    private final LayerBackward backward;

    private volatile BatchNormConfig config;
    private Mode mode = Mode.TRAINING;
    boolean useBatchStatistics = true;
    boolean updateRunningStatistics = true;

    BatchNorm(BatchNormConfig config, BatchNormFunction function) {
        this.config = config;
        this.function = function;
        this.oneThread = new OneThread(function);
        this.state = new LayerState(config);
        this.ownSaved = new SavedStatistics(config.features());
        this.forward = new LayerForward(this);
        this.backward = new LayerBackward(this);
    }

    /** A builder with PyTorch's defaults, for C features (channels). */
    public static BatchNormBuilder builder(int features) {
        return new BatchNormBuilder(features);
    }

    /** A builder of the layer that a configuration describes, for a choice of its backend. */
    public static BatchNormBuilder builder(BatchNormConfig config) {
        return new BatchNormBuilder(config);
    }

    /** The layer that a configuration describes, on the backend that the library chooses. */
    public static BatchNorm of(BatchNormConfig config) {
        return builder(config).build();
    }

    // ---- mode

    /**
     * Sets the mode, and with it both switches: {@link #useBatchStatistics(boolean)} and
     * {@link #updateRunningStatistics(boolean)}. The initial one is {@link Mode#TRAINING}. Without tracked statistics
     * inference, too, uses those of the batch. Inference forgets a forward in place, whose memory is the caller's.
     *
     * @throws IllegalStateException if statistics are to be frozen of which the layer tracks none
     */
    public BatchNorm mode(Mode mode) {
        Arguments.requireGiven("mode", mode, "TRAINING, INFERENCE or FROZEN");
        state.requireTracked(mode == Mode.FROZEN, "mode: FROZEN");
        return set(mode, mode == Mode.TRAINING, mode == Mode.TRAINING);
    }

    /** The mode that was set last. The switches may say otherwise since. */
    public Mode mode() {
        return mode;
    }

    /** Training, {@link Mode#TRAINING}: the initial mode. */
    public BatchNorm train() {
        return mode(Mode.TRAINING);
    }

    /** Inference, {@link Mode#INFERENCE}. */
    public BatchNorm eval() {
        return mode(Mode.INFERENCE);
    }

    /**
     * Frozen statistics, {@link Mode#FROZEN}: γ, β and what lies before are trained, {@code dx = gamma · rstd · dy}. An
     * {@link IllegalStateException} if the layer tracks no statistics.
     */
    public BatchNorm freezeStatistics() {
        return mode(Mode.FROZEN);
    }

    /**
     * Whether forward normalizes with the batch's statistics, apart from whether it updates the running ones.
     * {@link #mode(Mode)} sets it anew. Without running statistics it is always so, and false an error.
     */
    public BatchNorm useBatchStatistics(boolean use) {
        state.requireTracked(!use, "useBatchStatistics: false");
        return set(mode, use, updateRunningStatistics);
    }

    /**
     * Whether forward updates the running statistics with the batch's, apart from which ones it normalizes with:
     * normalizing with the running statistics takes them as they were before. {@link #mode(Mode)} sets it anew. Forward
     * then changes the layer, in inference mode too. Where there are none to update, true is an error.
     */
    public BatchNorm updateRunningStatistics(boolean update) {
        state.requireTracked(update, "updateRunningStatistics: true");
        return set(mode, useBatchStatistics, update);
    }

    /** Whether the layer is in training mode (frozen statistics included). */
    public boolean isTraining() {
        return mode != Mode.INFERENCE;
    }

    private BatchNorm set(Mode newMode, boolean use, boolean update) {
        oneThread.change("changing the mode", () -> {
            mode = newMode;
            useBatchStatistics = use;
            updateRunningStatistics = update;
            if (newMode == Mode.INFERENCE) {
                ownSaved.forgetInPlace();
            }
        });
        return this;
    }

    /** Changes the weight, within [0, 1]: {@code running = (1 − momentum) · running + momentum · batch}. */
    public BatchNorm momentum(double momentum) {
        oneThread.change("momentum", () -> config = config.withMomentum(OptionalDouble.of(momentum)));
        return this;
    }

    /** From now on each batch has the weight {@code 1 / numBatchesTracked}: PyTorch's {@code momentum=None}. */
    public BatchNorm cumulativeAverage() {
        oneThread.change("cumulativeAverage", () -> config = config.withMomentum(OptionalDouble.empty()));
        return this;
    }

    // ---- forward

    /**
     * Normalizes a batch as the mode says. In training mode the layer keeps the statistics for the next
     * {@link #backward(Batch, Batch, Batch)}.
     *
     * @param x in; its C is the layer's
     * @param y out, the shape of x; may be the same memory
     * @throws IllegalArgumentException if a shape is wrong, or if batch statistics of one value are asked for
     * @throws IllegalStateException if the layer is closed or in use by another thread
     */
    public void forward(Batch x, Batch y) {
        forward.run(x, null, y, isTraining() ? ownSaved : null, isTraining());
    }

    /**
     * Normalizes a batch as the mode says and keeps, in any mode, the statistics in {@code saved} for its backward.
     *
     * @param saved out, of the layer's features; what it held is discarded
     */
    public void forward(Batch x, Batch y, SavedStatistics saved) {
        function.require(saved);
        forward.run(x, null, y, saved, false);
    }

    /**
     * Normalizes a batch as the mode says and adds a residual, in the same passes over memory: {@code y =
     * activation(gamma · (x − mean) · rstd + beta + residual)}, as a residual network's block ends. In training its
     * backward is {@link #backward(Batch, Batch, Batch, Batch, Batch)}. x and y are as without.
     *
     * @param residual in, the shape of x; may be the memory of x or y
     * @throws IllegalArgumentException if a shape is wrong, if batch statistics of one value are asked for, or if the
     *     backend adds no residual
     * @throws IllegalStateException if the layer is closed or in use by another thread
     */
    public void forward(Batch x, Batch residual, Batch y) {
        BatchNormFunction.requireResidual(residual);
        forward.run(x, residual, y, isTraining() ? ownSaved : null, isTraining());
    }

    /** {@link #forward(Batch, Batch, Batch)} that keeps, in any mode, the statistics in {@code saved}. */
    public void forward(Batch x, Batch residual, Batch y, SavedStatistics saved) {
        BatchNormFunction.requireResidual(residual);
        function.require(saved);
        forward.run(x, residual, y, saved, false);
    }

    /** {@link #forward(Batch, Batch)} on arrays of at least the shape's elements. */
    public void forward(float[] x, float[] y, BatchShape shape) {
        forward(Batch.of("x", x, shape), Batch.of("y", y, shape));
    }

    /** {@link #forward(Batch, Batch, SavedStatistics)} on such arrays. */
    public void forward(float[] x, float[] y, BatchShape shape, SavedStatistics saved) {
        forward(Batch.of("x", x, shape), Batch.of("y", y, shape), saved);
    }

    /** {@link #forward(Batch, Batch)} on float32 segments, which may have more than 2³¹ − 1 elements. */
    public void forward(MemorySegment x, MemorySegment y, BatchShape shape) {
        forward(Batch.of("x", x, shape), Batch.of("y", y, shape));
    }

    /** {@link #forward(Batch, Batch, SavedStatistics)} on float32 segments. */
    public void forward(MemorySegment x, MemorySegment y, BatchShape shape, SavedStatistics saved) {
        forward(Batch.of("x", x, shape), Batch.of("y", y, shape), saved);
    }

    // ---- backward

    /**
     * The gradients of the last forward in training mode: writes dx, and adds those of γ and β to
     * {@link #weightGradient()} and {@link #biasGradient()}.
     *
     * <p>With x̂ = (x − mean) · rstd: {@code dbeta = Σ dy}, {@code dgamma = Σ dy · x̂}, and {@code dx = gamma · rstd /
     * m · (m · dy − dbeta − x̂ · dgamma)} through the batch's statistics, {@code dx = gamma · rstd · dy} through frozen
     * ones. γ is taken as it is now; with an activation after batch norm, or if x is recomputed, as it was then.
     *
     * @param x in, the shape of that forward: its input (a copy, if it ran in place), or y, if x is recomputed of it
     * @param dy in, the same shape: the gradient of the loss by y
     * @param dx out, the same shape: the gradient of the loss by x; may be the same memory as dy or x
     * @throws IllegalArgumentException if a shape is wrong
     * @throws IllegalStateException if no forward is waiting for its backward, or the layer is closed or in use
     */
    public void backward(Batch x, Batch dy, Batch dx) {
        backward(x, dy, dx, ownSaved);
    }

    /** The same of the forward that filled {@code saved}, which is empty afterwards. */
    public void backward(Batch x, Batch dy, Batch dx, SavedStatistics saved) {
        backward.run(x, dy, dx, saved);
    }

    /**
     * The gradients of the last forward with a residual in training mode. With {@code dresidual = dy · activation′(y)},
     * which is {@code dy} where y &gt; 0 and else dy times the activation's slope, dx and the gradients of γ and β are
     * those of {@link #backward(Batch, Batch, Batch)} with dresidual in place of dy.
     *
     * @param x in, the shape of that forward: its input (a copy, if y was written over it)
     * @param y in, the same shape: the output of that forward; and dy, the gradient of the loss by it
     * @param dx out, the same shape: the gradient by x; may be the same memory as x, y or dy
     * @param dresidual out, the same shape: the gradient by the residual; may be that of y or dy, not of x or dx
     * @throws IllegalArgumentException if a shape or memory is wrong
     * @throws IllegalStateException if no forward with a residual is waiting, or the layer is closed or in use
     */
    public void backward(Batch x, Batch y, Batch dy, Batch dx, Batch dresidual) {
        backward(x, y, dy, dx, dresidual, ownSaved);
    }

    /** The same of the forward that filled {@code saved}, which is empty afterwards. */
    public void backward(Batch x, Batch y, Batch dy, Batch dx, Batch dresidual, SavedStatistics saved) {
        backward.run(x, y, dy, dx, dresidual, saved);
    }

    /** {@link #backward(Batch, Batch, Batch)} on arrays of at least the shape's elements. */
    public void backward(float[] x, float[] dy, float[] dx, BatchShape shape) {
        backward(x, dy, dx, shape, ownSaved);
    }

    /** {@link #backward(Batch, Batch, Batch, SavedStatistics)} on such arrays. */
    public void backward(float[] x, float[] dy, float[] dx, BatchShape shape, SavedStatistics saved) {
        backward(Batch.of("x", x, shape), Batch.of("dy", dy, shape), Batch.of("dx", dx, shape), saved);
    }

    /** {@link #backward(Batch, Batch, Batch)} on float32 segments. */
    public void backward(MemorySegment x, MemorySegment dy, MemorySegment dx, BatchShape shape) {
        backward(x, dy, dx, shape, ownSaved);
    }

    /** {@link #backward(Batch, Batch, Batch, SavedStatistics)} on float32 segments. */
    public void backward(MemorySegment x, MemorySegment dy, MemorySegment dx, BatchShape shape, SavedStatistics saved) {
        backward(Batch.of("x", x, shape), Batch.of("dy", dy, shape), Batch.of("dx", dx, shape), saved);
    }

    // ---- parameters, gradients, running statistics

    /** γ, (C), initially ones: the live array, for an optimizer to change. */
    public float[] weight() {
        return LayerState.affine(state.parameters.gamma).floats();
    }

    /** β, (C), initially zeros: the live array, for an optimizer to change. */
    public float[] bias() {
        return LayerState.affine(state.parameters.beta).floats();
    }

    /** dγ, (C): the live array, to which every backward adds. */
    public float[] weightGradient() {
        return LayerState.affine(state.parameters.dgamma).floats();
    }

    /** dβ, (C): the live array, to which every backward adds. */
    public float[] biasGradient() {
        return LayerState.affine(state.parameters.dbeta).floats();
    }

    /** {@link #weight()} of a layer of FLOAT64, for which that one throws an {@link IllegalStateException}. */
    public double[] doubleWeight() {
        return LayerState.affine(state.parameters.gamma).doubles();
    }

    /** {@link #bias()} of a layer of FLOAT64. */
    public double[] doubleBias() {
        return LayerState.affine(state.parameters.beta).doubles();
    }

    /** {@link #weightGradient()} of a layer of FLOAT64. */
    public double[] doubleWeightGradient() {
        return LayerState.affine(state.parameters.dgamma).doubles();
    }

    /** {@link #biasGradient()} of a layer of FLOAT64. */
    public double[] doubleBiasGradient() {
        return LayerState.affine(state.parameters.dbeta).doubles();
    }

    /** Sets the gradients of γ and β to zero. */
    public void zeroGradients() {
        state.zeroGradients();
    }

    /** The running mean, (C), initially zeros: the live array. */
    public float[] runningMean() {
        return state.tracked().mean.floats();
    }

    /** The running (unbiased) variance, (C), initially ones: the live array. */
    public float[] runningVar() {
        return state.tracked().variance.floats();
    }

    /** {@link #runningMean()} of a layer of FLOAT64. */
    public double[] doubleRunningMean() {
        return state.tracked().mean.doubles();
    }

    /** {@link #runningVar()} of a layer of FLOAT64. */
    public double[] doubleRunningVar() {
        return state.tracked().variance.doubles();
    }

    /** How many batches the running statistics have seen. */
    public long numBatchesTracked() {
        return state.running != null ? state.running.numBatchesTracked : 0;
    }

    /** Takes the statistics of a population, to normalize with in place of running averages. */
    public void setRunningStatistics(PopulationStatistics.Estimate population) {
        oneThread.change("setRunningStatistics", () -> state.tracked().set(population));
    }

    /**
     * Forgets all batches: running mean 0, running variance 1, {@code numBatchesTracked} 0. The remedy where a batch
     * made them NaN, as they stay so; {@link BatchNormFunction#LOG_NOT_FINITE_PROPERTY} tells which.
     */
    public void resetRunningStatistics() {
        oneThread.change("resetRunningStatistics", () -> state.tracked().reset());
    }

    /** What the layer was built with, and the momentum that it has now. */
    public BatchNormConfig config() {
        return config;
    }

    /** The backend that does the work; under {@code auto} the one that was chosen. */
    public String backendName() {
        return function.backendName();
    }

    // ---- state

    /**
     * A copy of the state under PyTorch's names: {@code weight, bias, running_mean, running_var} (float32 or float64,
     * (C)) and {@code num_batches_tracked} (int64), as far as the layer has them.
     * {@link org.batchnorm.state.Safetensors} files are what PyTorch loads.
     */
    public Map<String, Tensor> state() {
        return state.toBatchNormState().tensors();
    }

    /** {@link #loadState(Map, LoadOptions)} of exactly the tensors of {@link #state()}. */
    public void loadState(Map<String, Tensor> state) {
        loadState(state, LoadOptions.strict());
    }

    /**
     * Takes over a state, all of it or nothing, and tells what was missing and unexpected: nothing in strict mode.
     *
     * @throws IllegalArgumentException if a tensor does not fit, as {@link LoadOptions} says
     */
    public LoadResult loadState(Map<String, Tensor> state, LoadOptions options) {
        return oneThread.changeFor("loadState", () -> this.state.load(state, options));
    }

    // ---- life

    /**
     * As {@link BatchNormFunction#close()}, and forgets forwards that wait. The state can still be read. Idempotent.
     */
    @Override
    public void close() {
        if (!function.isClosed()) {
            oneThread.change("close", () -> {
                ownSaved.empty();
                function.close();
            });
        }
    }

    @Override
    public String toString() {
        return "BatchNorm" + config + " on " + backendName();
    }
}
