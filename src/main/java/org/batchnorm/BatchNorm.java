package org.batchnorm;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.state.StateCheck;
import org.batchnorm.state.Tensor;
import org.jspecify.annotations.Nullable;

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
 * try (BatchNorm layer = BatchNorm.builder(200).build()) {
 *     BatchShape shape = BatchShape.of(60, 200);
 *     layer.forward(x, y, shape);           // training is the initial mode
 *     layer.backward(x, dy, dx, shape);
 *     layer.eval();
 *     layer.forward(x, y, shape);
 * }
 * }</pre>
 *
 * <p><b>Data</b> are float32, in {@code float[]}s of exactly the shape's elements or in {@link MemorySegment}s of at
 * least its bytes, on or off the heap; nothing is copied. y may be the same memory as x, and dx the same as dy or x;
 * overlap in part is an error. After a forward in place, backward needs a copy of x that the caller made before.
 *
 * <p><b>Threads.</b> In inference mode any number of threads may call {@link #forward(float[], float[], BatchShape)} at
 * once. Everything that changes the layer (training, backward, loading, changing the mode) belongs to one thread at a
 * time; a training forward or a backward that meets another one is refused with an {@link IllegalStateException}.
 *
 * <p><b>Errors.</b> Bad arguments end in an {@link IllegalArgumentException} or {@link IllegalStateException} that
 * names the argument, what was given and what would be right, before anything is changed.
 */
public final class BatchNorm implements AutoCloseable {
    private final BatchNormConfig config;
    private final String backendName;
    private final BatchNormOperations operations;

    private final float @Nullable [] weight;
    private final float @Nullable [] bias;
    private final float @Nullable [] weightGradient;
    private final float @Nullable [] biasGradient;
    private final float @Nullable [] runningMean;
    private final float @Nullable [] runningVar;
    private long numBatchesTracked;

    private boolean training = true;
    private boolean useBatchStatistics = true;
    private boolean updateRunningStatistics = true;

    private final SavedStatistics ownSaved;
    private final float[] batchWeightGradient;
    private final float[] batchBiasGradient;
    private final AtomicReference<@Nullable BatchStatistics> spareStatistics = new AtomicReference<>();
    private final AtomicBoolean busy = new AtomicBoolean();
    private volatile boolean closed;

    private BatchNorm(BatchNormConfig config, Backends.OpenBackend backend) {
        this.config = config;
        this.backendName = backend.name();
        this.operations = backend.operations();
        int c = config.features();
        this.weight = config.affine() ? filled(c, 1) : null;
        this.bias = config.affine() ? new float[c] : null;
        this.weightGradient = config.affine() ? new float[c] : null;
        this.biasGradient = config.affine() ? new float[c] : null;
        this.runningMean = config.trackRunningStatistics() ? new float[c] : null;
        this.runningVar = config.trackRunningStatistics() ? filled(c, 1) : null;
        this.ownSaved = new SavedStatistics(c);
        this.batchWeightGradient = new float[c];
        this.batchBiasGradient = new float[c];
    }

    /**
     * A builder with PyTorch's defaults.
     *
     * @param features C, the number of features (channels), ≥ 1
     */
    public static Builder builder(int features) {
        return new Builder(features);
    }

    // ---- mode

    /**
     * Training mode, the initial one: normalize with the batch's statistics, update the running ones, keep what
     * backward needs.
     */
    public BatchNorm train() {
        return mode(true, true, true);
    }

    /**
     * Inference mode: normalize with the running statistics (the batch's own where none are tracked), change nothing in
     * the layer.
     */
    public BatchNorm eval() {
        return mode(false, false, false);
    }

    /**
     * Frozen statistics: normalize with the running statistics and leave them alone, while γ, β and what lies before
     * the layer are trained, {@code dx = gamma · rstd · dy}.
     *
     * @throws IllegalStateException if the layer tracks no statistics
     */
    public BatchNorm freezeStatistics() {
        if (!config.trackRunningStatistics()) {
            throw new IllegalStateException(
                    "freezeStatistics: the layer was built with trackRunningStatistics(false) and has none to normalize with");
        }
        return mode(true, false, false);
    }

    /**
     * Whether forward normalizes with the batch's statistics, apart from whether it updates the running ones.
     * {@link #train()}, {@link #eval()} and {@link #freezeStatistics()} set it anew.
     */
    public BatchNorm useBatchStatistics(boolean use) {
        return mode(training, use, updateRunningStatistics);
    }

    /**
     * Whether forward updates the running statistics with the batch's, apart from which ones it normalizes with:
     * normalizing with the running statistics takes them as they were before. {@link #train()}, {@link #eval()} and
     * {@link #freezeStatistics()} set it anew. Forward then changes the layer, in inference mode too.
     */
    public BatchNorm updateRunningStatistics(boolean update) {
        return mode(training, useBatchStatistics, update);
    }

    /** Whether the layer is in training mode (frozen statistics included). */
    public boolean isTraining() {
        return training;
    }

    private BatchNorm mode(boolean training, boolean useBatchStatistics, boolean updateRunningStatistics) {
        enter("changing the mode");
        try {
            this.training = training;
            this.useBatchStatistics = useBatchStatistics;
            this.updateRunningStatistics = updateRunningStatistics;
            return this;
        } finally {
            leave();
        }
    }

    // ---- forward

    /**
     * Normalizes a batch as the mode says. In training mode the layer keeps the statistics for the next
     * {@link #backward(float[], float[], float[], BatchShape)}.
     *
     * @param x in, {@code shape}
     * @param y out, {@code shape}; may be {@code x}
     * @param shape N, C, S and layout; C is the layer's
     * @throws IllegalArgumentException if a length or the shape is wrong, or if batch statistics are asked for and
     *     there is but one value per feature
     * @throws IllegalStateException if the layer is closed or in use by another thread
     */
    public void forward(float[] x, float[] y, BatchShape shape) {
        requireArrays(shape, x, y);
        forward(shape, x, y, training ? ownSaved : null);
    }

    /**
     * Normalizes a batch as the mode says and keeps, in any mode, the statistics of this forward in {@code saved} for
     * its backward.
     *
     * @param saved out, of the layer's features; what it held is discarded
     */
    public void forward(float[] x, float[] y, BatchShape shape, SavedStatistics saved) {
        requireArrays(shape, x, y);
        requireFeatures(saved);
        forward(shape, x, y, saved);
    }

    /**
     * Normalizes a batch as the mode says, like {@link #forward(float[], float[], BatchShape)}; segments may have more
     * than 2³¹ − 1 elements.
     */
    public void forward(MemorySegment x, MemorySegment y, BatchShape shape) {
        requireSegments(shape, x, y);
        forward(shape, x, y, training ? ownSaved : null);
    }

    /**
     * Normalizes a batch and keeps the statistics in {@code saved}, like {@link #forward(float[], float[], BatchShape,
     * SavedStatistics)}.
     */
    public void forward(MemorySegment x, MemorySegment y, BatchShape shape, SavedStatistics saved) {
        requireSegments(shape, x, y);
        requireFeatures(saved);
        forward(shape, x, y, saved);
    }

    private void requireArrays(BatchShape shape, float[] x, float[] y) {
        Arguments.requireFeatures(shape, config.features());
        Arguments.requireArray("x", x, shape);
        Arguments.requireArray("y", y, shape);
    }

    private void requireSegments(BatchShape shape, MemorySegment x, MemorySegment y) {
        Arguments.requireFeatures(shape, config.features());
        Arguments.requireReadable("x", x, shape);
        Arguments.requireWritable("y", y, shape);
        Arguments.requireSameOrDisjoint("x", x, "y", y, shape);
    }

    private void requireFeatures(SavedStatistics saved) {
        if (saved.features() != config.features()) {
            throw new IllegalArgumentException("saved: saved statistics of " + saved.features()
                    + " features given, must have the layer's " + config.features());
        }
    }

    /** The forward operation on checked data, both either float[] or MemorySegment. */
    private void forward(BatchShape shape, Object x, Object y, @Nullable SavedStatistics saved) {
        boolean normalizeWithBatch = useBatchStatistics || runningMean == null;
        boolean update = updateRunningStatistics && runningMean != null;
        if (normalizeWithBatch || update) {
            Arguments.requireSeveralValuesPerFeature(shape);
        }
        boolean changesLayer = saved == ownSaved || update;
        if (changesLayer) {
            enter("forward");
        } else {
            requireOpen();
        }
        BatchStatistics scratch = borrowStatistics();
        try {
            if (saved != null) {
                saved.empty();
            }
            if (normalizeWithBatch) {
                BatchStatistics batch = saved != null ? saved.statistics() : scratch;
                runForward(shape, x, y, batch);
                if (update) {
                    updateRunningStatistics(batch, shape.valuesPerFeature());
                }
            } else {
                if (update) {
                    runCollectStatistics(shape, x, scratch);
                }
                runInference(shape, x, y);
                if (saved != null) {
                    copyRunningStatistics(saved.statistics());
                }
                if (update) {
                    updateRunningStatistics(scratch, shape.valuesPerFeature());
                }
            }
            if (saved != null) {
                saved.fill(this, shape, normalizeWithBatch, Arguments.isSameMemory(x, y) ? x : null);
            }
        } finally {
            spareStatistics.set(scratch);
            if (changesLayer) {
                leave();
            }
        }
    }

    private BatchStatistics borrowStatistics() {
        BatchStatistics spare = spareStatistics.getAndSet(null);
        return spare != null ? spare : new BatchStatistics(config.features());
    }

    private void runForward(BatchShape shape, Object x, Object y, BatchStatistics batch) {
        if (x instanceof float[] array) {
            operations.forward(shape, array, (float[]) y, weight, bias, config.eps(), batch);
        } else {
            operations.forward(shape, (MemorySegment) x, (MemorySegment) y, weight, bias, config.eps(), batch);
        }
    }

    private void runCollectStatistics(BatchShape shape, Object x, BatchStatistics batch) {
        if (x instanceof float[] array) {
            operations.collectStatistics(shape, array, config.eps(), batch);
        } else {
            operations.collectStatistics(shape, (MemorySegment) x, config.eps(), batch);
        }
    }

    private void runInference(BatchShape shape, Object x, Object y) {
        if (shape.elements() == 0) {
            return;
        }
        float[] mean = runningMean();
        float[] variance = runningVar();
        if (x instanceof float[] array) {
            operations.inference(shape, array, (float[]) y, weight, bias, mean, variance, config.eps());
        } else {
            operations.inference(
                    shape, (MemorySegment) x, (MemorySegment) y, weight, bias, mean, variance, config.eps());
        }
    }

    /**
     * The running statistics as a frozen layer's backward wants them: as they are now, whatever becomes of them before
     * it.
     */
    private void copyRunningStatistics(BatchStatistics target) {
        float[] mean = runningMean();
        float[] variance = runningVar();
        System.arraycopy(mean, 0, target.mean(), 0, mean.length);
        Arrays.fill(target.meanLow(), 0);
        System.arraycopy(variance, 0, target.variance(), 0, variance.length);
        float[] rstd = target.rstd();
        for (int i = 0; i < rstd.length; i++) {
            rstd[i] = (float) (1 / Math.sqrt(variance[i] + config.eps()));
        }
    }

    /** {@code running = (1 − momentum) · running + momentum · batch}, the variance unbiased: divisor m − 1. */
    private void updateRunningStatistics(BatchStatistics batch, long m) {
        numBatchesTracked++;
        double newest = config.momentum().orElse(1.0 / numBatchesTracked);
        double kept = 1 - newest;
        double newestVar = newest * (m / (m - 1.0));
        float[] targetMean = runningMean();
        float[] targetVar = runningVar();
        float[] mean = batch.mean();
        float[] meanLow = batch.meanLow();
        float[] variance = batch.variance();
        for (int i = 0; i < targetMean.length; i++) {
            targetMean[i] = (float) (kept * targetMean[i] + newest * ((double) mean[i] + meanLow[i]));
            targetVar[i] = (float) (kept * targetVar[i] + newestVar * variance[i]);
        }
    }

    // ---- backward

    /**
     * The gradients of the last forward in training mode: writes dx, and adds those of γ and β to
     * {@link #weightGradient()} and {@link #biasGradient()}.
     *
     * <p>With x̂ = (x − mean) · rstd: {@code dbeta = Σ dy}, {@code dgamma = Σ dy · x̂}, and {@code dx = gamma · rstd /
     * m · (m · dy − dbeta − x̂ · dgamma)} through the batch's statistics, {@code dx = gamma · rstd · dy} through frozen
     * ones. γ is taken as it is now.
     *
     * @param x in, {@code shape}: the input of that forward (a copy, if it ran in place)
     * @param dy in, {@code shape}: the gradient of the loss by y
     * @param dx out, {@code shape}: the gradient of the loss by x; may be {@code dy} or {@code x}
     * @param shape that of the forward
     * @throws IllegalArgumentException if a length or the shape is wrong
     * @throws IllegalStateException if no forward is waiting for its backward, or the layer is closed or in use by
     *     another thread
     */
    public void backward(float[] x, float[] dy, float[] dx, BatchShape shape) {
        backward(x, dy, dx, shape, ownSaved);
    }

    /**
     * The gradients of the forward that filled {@code saved}, like {@link #backward(float[], float[], float[],
     * BatchShape)}; {@code saved} is empty afterwards.
     */
    public void backward(float[] x, float[] dy, float[] dx, BatchShape shape, SavedStatistics saved) {
        requireArrays(shape, x, dy, dx);
        backwardChecked(shape, x, dy, dx, saved);
    }

    /**
     * The gradients of the last forward in training mode, like {@link #backward(float[], float[], float[],
     * BatchShape)}.
     */
    public void backward(MemorySegment x, MemorySegment dy, MemorySegment dx, BatchShape shape) {
        backward(x, dy, dx, shape, ownSaved);
    }

    /**
     * The gradients of the forward that filled {@code saved}, like {@link #backward(float[], float[], float[],
     * BatchShape, SavedStatistics)}.
     */
    public void backward(MemorySegment x, MemorySegment dy, MemorySegment dx, BatchShape shape, SavedStatistics saved) {
        requireSegments(shape, x, dy, dx);
        backwardChecked(shape, x, dy, dx, saved);
    }

    private void requireArrays(BatchShape shape, float[] x, float[] dy, float[] dx) {
        Arguments.requireFeatures(shape, config.features());
        Arguments.requireArray("x", x, shape);
        Arguments.requireArray("dy", dy, shape);
        Arguments.requireArray("dx", dx, shape);
    }

    private void requireSegments(BatchShape shape, MemorySegment x, MemorySegment dy, MemorySegment dx) {
        Arguments.requireFeatures(shape, config.features());
        Arguments.requireReadable("x", x, shape);
        Arguments.requireReadable("dy", dy, shape);
        Arguments.requireWritable("dx", dx, shape);
        Arguments.requireSameOrDisjoint("x", x, "dx", dx, shape);
        Arguments.requireSameOrDisjoint("dy", dy, "dx", dx, shape);
    }

    /** The backward operation on checked data, all either float[] or MemorySegment. */
    private void backwardChecked(BatchShape shape, Object x, Object dy, Object dx, SavedStatistics saved) {
        enter("backward");
        try {
            saved.requireFilledFor(this, shape, x);
            if (shape.elements() > 0) {
                runBackward(shape, x, dy, dx, saved);
                if (weightGradient != null && biasGradient != null) {
                    add(weightGradient, batchWeightGradient);
                    add(biasGradient, batchBiasGradient);
                }
            }
            saved.empty();
        } finally {
            leave();
        }
    }

    private void runBackward(BatchShape shape, Object x, Object dy, Object dx, SavedStatistics saved) {
        BatchStatistics statistics = saved.statistics();
        boolean through = saved.throughStatistics();
        float[] dgamma = batchWeightGradient;
        float[] dbeta = batchBiasGradient;
        if (through && shape.valuesPerFeature() == 2) {
            TwoValues.backward(
                    shape, segment(x), segment(dy), segment(dx), weight, statistics, config.eps(), dgamma, dbeta);
        } else if (x instanceof float[] array) {
            operations.backward(shape, array, (float[]) dy, (float[]) dx, weight, statistics, through, dgamma, dbeta);
        } else {
            operations.backward(
                    shape,
                    (MemorySegment) x,
                    (MemorySegment) dy,
                    (MemorySegment) dx,
                    weight,
                    statistics,
                    through,
                    dgamma,
                    dbeta);
        }
    }

    private static MemorySegment segment(Object data) {
        return data instanceof float[] array ? MemorySegment.ofArray(array) : (MemorySegment) data;
    }

    private static void add(float[] sum, float[] addend) {
        for (int i = 0; i < sum.length; i++) {
            sum[i] += addend[i];
        }
    }

    // ---- parameters, gradients, running statistics

    /** γ, (C), initially ones: the live array, for an optimizer to change. */
    public float[] weight() {
        return affine(weight);
    }

    /** β, (C), initially zeros: the live array, for an optimizer to change. */
    public float[] bias() {
        return affine(bias);
    }

    /** dγ, (C): the live array, to which every backward adds. */
    public float[] weightGradient() {
        return affine(weightGradient);
    }

    /** dβ, (C): the live array, to which every backward adds. */
    public float[] biasGradient() {
        return affine(biasGradient);
    }

    /** Sets the gradients of γ and β to zero. */
    public void zeroGradients() {
        if (weightGradient != null && biasGradient != null) {
            Arrays.fill(weightGradient, 0);
            Arrays.fill(biasGradient, 0);
        }
    }

    /** The running mean, (C), initially zeros: the live array. */
    public float[] runningMean() {
        return tracked(runningMean);
    }

    /** The running (unbiased) variance, (C), initially ones: the live array. */
    public float[] runningVar() {
        return tracked(runningVar);
    }

    /** How many batches the running statistics have seen. */
    public long numBatchesTracked() {
        return numBatchesTracked;
    }

    /** Forgets all batches: running mean 0, running variance 1, {@code numBatchesTracked} 0. */
    public void resetRunningStatistics() {
        enter("resetRunningStatistics");
        try {
            Arrays.fill(runningMean(), 0);
            Arrays.fill(runningVar(), 1);
            numBatchesTracked = 0;
        } finally {
            leave();
        }
    }

    private static float[] affine(float @Nullable [] values) {
        if (values == null) {
            throw new IllegalStateException("the layer was built with affine(false) and has neither weight nor bias");
        }
        return values;
    }

    private static float[] tracked(float @Nullable [] values) {
        if (values == null) {
            throw new IllegalStateException(
                    "the layer was built with trackRunningStatistics(false) and has no running statistics");
        }
        return values;
    }

    /** What the layer was built with. */
    public BatchNormConfig config() {
        return config;
    }

    /** The backend that does the work; under {@code auto} the one that was chosen. */
    public String backendName() {
        return backendName;
    }

    // ---- state

    /**
     * A copy of the state under PyTorch's names, as far as the layer has it: {@code weight}, {@code bias},
     * {@code running_mean}, {@code running_var} (float32, (C)) and {@code num_batches_tracked} (int64, a scalar).
     * {@link org.batchnorm.state.Safetensors} writes it to a file that PyTorch loads.
     */
    public Map<String, Tensor> state() {
        Map<String, Tensor> state = new LinkedHashMap<>();
        int c = config.features();
        if (weight != null && bias != null) {
            state.put("weight", Tensor.ofFloats(weight, c));
            state.put("bias", Tensor.ofFloats(bias, c));
        }
        if (runningMean != null && runningVar != null) {
            state.put("running_mean", Tensor.ofFloats(runningMean, c));
            state.put("running_var", Tensor.ofFloats(runningVar, c));
            state.put("num_batches_tracked", Tensor.ofLong(numBatchesTracked));
        }
        return state;
    }

    /**
     * Takes over a state, all of it or nothing.
     *
     * @param state exactly the tensors of {@link #state()}
     * @throws IllegalArgumentException if a tensor is missing, is not the layer's or has another type or shape
     */
    public void loadState(Map<String, Tensor> state) {
        enter("loadState");
        try {
            StateCheck.require(state, state());
            copy(state, "weight", weight);
            copy(state, "bias", bias);
            copy(state, "running_mean", runningMean);
            copy(state, "running_var", runningVar);
            if (runningMean != null) {
                numBatchesTracked =
                        StateCheck.tensor(state, "num_batches_tracked").longs()[0];
            }
        } finally {
            leave();
        }
    }

    private static void copy(Map<String, Tensor> state, String name, float @Nullable [] target) {
        if (target != null) {
            System.arraycopy(StateCheck.tensor(state, name).floats(), 0, target, 0, target.length);
        }
    }

    // ---- life

    /**
     * Frees what the backend holds for this layer. Idempotent; the state can still be read, nothing can be computed.
     */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        enter("close");
        try {
            closed = true;
            operations.close();
        } finally {
            leave();
        }
    }

    private void enter(String what) {
        if (!busy.compareAndSet(false, true)) {
            throw new IllegalStateException(what
                    + ": the layer is in use by another thread; training, backward and changes of a layer belong to one thread at a time"
                    + " (inference may run in several)");
        }
        if (closed) {
            leave();
            requireOpen();
        }
    }

    private void leave() {
        busy.set(false);
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the layer is closed; build another one");
        }
    }

    private static float[] filled(int length, float value) {
        float[] values = new float[length];
        Arrays.fill(values, value);
        return values;
    }

    @Override
    public String toString() {
        return "BatchNorm" + config + " on " + backendName;
    }

    /** Builds a layer; what is not set has PyTorch's default. */
    public static final class Builder {
        private final int features;
        private double eps = BatchNormConfig.DEFAULT_EPS;
        private OptionalDouble momentum = OptionalDouble.of(BatchNormConfig.DEFAULT_MOMENTUM);
        private boolean affine = true;
        private boolean trackRunningStatistics = true;
        private Optional<String> backend = Optional.empty();
        private Optional<String> device = Optional.empty();
        private @Nullable Integer threads;

        private Builder(int features) {
            this.features = features;
        }

        /** Added to the variance before the square root; finite, &gt; 0; default 1e-5. */
        public Builder eps(double eps) {
            this.eps = eps;
            return this;
        }

        /**
         * The weight of the newest batch, {@code running = (1 − momentum) · running + momentum · batch}; within [0, 1];
         * default 0.1.
         */
        public Builder momentum(double momentum) {
            this.momentum = OptionalDouble.of(momentum);
            return this;
        }

        /** The running statistics are the plain average over all batches: PyTorch's {@code momentum=None}. */
        public Builder cumulativeAverage() {
            this.momentum = OptionalDouble.empty();
            return this;
        }

        /** Whether the layer has γ and β; default true. */
        public Builder affine(boolean affine) {
            this.affine = affine;
            return this;
        }

        /** Whether the layer keeps running statistics for inference; default true. */
        public Builder trackRunningStatistics(boolean track) {
            this.trackRunningStatistics = track;
            return this;
        }

        /**
         * Forces a backend ({@code vector}, {@code scalar}, {@code tornadovm}) or leaves the choice to the library
         * ({@code auto}); default: what the system property {@value Backends#BACKEND_PROPERTY} says, else {@code auto}.
         */
        public Builder backend(String backend) {
            this.backend = Optional.of(backend);
            return this;
        }

        /**
         * CPU threads, ≥ 1, the caller's among them; default: the system property
         * {@value BackendOptions#THREADS_PROPERTY}, else all processors.
         */
        public Builder threads(int threads) {
            this.threads = threads;
            return this;
        }

        /**
         * The device of a backend that has several; default: the system property
         * {@value BackendOptions#DEVICE_PROPERTY}, else the backend's choice.
         */
        public Builder device(String device) {
            this.device = Optional.of(device);
            return this;
        }

        /**
         * Builds the layer.
         *
         * @throws IllegalArgumentException if a value is out of range or no backend has the given name
         * @throws org.batchnorm.spi.BackendUnavailableException if a backend was forced that cannot be used here, with
         *     the reason and the remedy
         */
        public BatchNorm build() {
            BatchNormConfig config = new BatchNormConfig(features, eps, momentum, affine, trackRunningStatistics);
            BackendOptions defaults = BackendOptions.fromSystemProperties();
            BackendOptions options =
                    new BackendOptions(threads != null ? threads : defaults.threads(), device.or(defaults::device));
            return new BatchNorm(config, Backends.open(backend, options));
        }
    }
}
