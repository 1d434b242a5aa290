package org.batchnorm;

import org.batchnorm.data.Batch;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Remark;
import org.batchnorm.spi.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Batch normalization without a state of its own: parameters, gradients and running statistics are the caller's. For
 * adapters to libraries that have layers and automatic differentiation themselves; others want {@link BatchNorm}, which
 * is built on it.
 *
 * <pre>{@code
 * try (BatchNormFunction function = BatchNormFunction.builder(200).eps(1e-3).build()) {
 *     Parameters parameters = new Parameters(gamma, beta, dgamma, dbeta);
 *     SavedStatistics saved = new SavedStatistics(200);
 *     function.forward(x, y, parameters, saved);
 *     function.backward(x, dy, dx, parameters, saved);   // overwrites dgamma and dbeta
 * }
 * }</pre>
 *
 * <p>The running statistics of a layer follow from {@link SavedStatistics#mean()} and
 * {@link SavedStatistics#variance()}; the variance there is the biased one, of which running statistics want {@code m /
 * (m − 1)} times as much.
 *
 * <p>Operations of one function may run in several threads at once, each with saved statistics and outputs of its own.
 * Data and errors are as in {@link BatchNorm}.
 */
public final class BatchNormFunction implements AutoCloseable {

    /**
     * System property: {@code true} has functions and layers that are built from then on look at the statistics of
     * every batch, and say once in the log which feature of a batch had NaN or infinity. Off by default.
     */
    public static final String LOG_NOT_FINITE_PROPERTY = "org.batchnorm.logNotFinite";

    private final double eps;
    final Arguments arguments;
    private final String backendName;
    final BatchNormOperations operations;
    final Activations activations;
    private final Spare<Workspace> workspaces;
    private final boolean logsNotFinite = Boolean.getBoolean(LOG_NOT_FINITE_PROPERTY);
    private volatile @Nullable Normalization given;
    private volatile boolean closed;

    BatchNormFunction(Arguments arguments, double eps, Activations activations, Backends.OpenBackend backend) {
        Arguments.requireDone(activations, backend);
        this.arguments = arguments;
        this.eps = eps;
        this.backendName = backend.name();
        this.operations = backend.operations();
        this.activations = activations;
        this.workspaces = new Spare<>(() -> new Workspace(arguments.features(), activations));
    }

    /**
     * A builder with PyTorch's eps, which leaves the backend to the library.
     *
     * @param features C, the number of features (channels), ≥ 1
     */
    public static Builder builder(int features) {
        return new Builder(features);
    }

    /** C. */
    public int features() {
        return arguments.features();
    }

    /** What is added to the variance. */
    public double eps() {
        return eps;
    }

    /** The backend that does the work; under {@code auto} the one that was chosen. */
    public String backendName() {
        return backendName;
    }

    /**
     * Training forward: {@code y = gamma · (x − mean) · rstd + beta} with the batch's mean and biased variance,
     * {@code rstd = 1 / sqrt(variance + eps)}.
     *
     * @param x in
     * @param y out, the shape of x; may be the same memory
     * @param parameters γ and β are read
     * @param saved out: the statistics, and what the backward of this forward needs
     * @throws IllegalArgumentException if a shape or a length is wrong, or if there is but one value per feature
     * @throws IllegalStateException if the function is closed
     */
    public void forward(Batch x, Batch y, Parameters parameters, SavedStatistics saved) {
        forward(x, y, parameters, saved, true);
    }

    /** The same; a layer's inference does not take part in an exchange of several ranks. */
    void forward(Batch x, Batch y, Parameters parameters, SavedStatistics saved, boolean exchanges) {
        requireOpen();
        arguments.requireForward(x, y);
        require(parameters);
        arguments.requireFeatures(saved);
        requireNotOneValuePerFeature(x, exchanges);
        saved.empty();
        saved.statistics().count(x.shape().valuesPerFeature());
        Workspace workspace = workspaces.take();
        try {
            Normalization normalization = saved.normalization(parameters, eps, true);
            if (operations instanceof TrainingOperations training && !exchanges) {
                training.forwardAlone(workspace.tensors.forward(x, y), normalization);
            } else {
                operations.forward(workspace.tensors.forward(x, y), normalization);
            }
        } finally {
            giveBack(workspace);
        }
        lookAt(saved.statistics());
        saved.fill(this, x, y, true);
    }

    /**
     * The moments of a batch, which is not normalized with them: for statistics of several batches, as
     * {@link PopulationStatistics} are.
     *
     * @param x in
     * @param moments out
     * @throws IllegalArgumentException if a shape or a number of features is wrong
     * @throws IllegalStateException if the function is closed
     */
    public void collectStatistics(Batch x, Moments moments) {
        requireOpen();
        arguments.requireInput(x);
        Arguments.requireGiven("moments", moments, "Moments");
        arguments.requireFeatures("moments", moments.mean().length);
        Workspace workspace = workspaces.take();
        try {
            operations.collectStatistics(workspace.tensors.collect(x), moments);
        } finally {
            giveBack(workspace);
        }
    }

    /**
     * Forward with given statistics, as running ones are: {@code y = gamma · (x − mean) / sqrt(variance + eps) + beta}.
     *
     * @param x in
     * @param y out, the shape of x; may be the same memory
     * @param parameters γ and β are read
     * @param mean in, (C)
     * @param variance in, (C)
     * @throws IllegalArgumentException if a shape or a length is wrong
     * @throws IllegalStateException if the function is closed
     */
    public void inference(Batch x, Batch y, Parameters parameters, float[] mean, float[] variance) {
        requireInference(x, y, parameters, mean, variance);
        Workspace workspace = workspaces.take();
        try {
            operations.transform(workspace.tensors.forward(x, y), given(parameters, mean, variance));
        } finally {
            giveBack(workspace);
        }
    }

    /**
     * Forward with given statistics, like {@link #inference(Batch, Batch, Parameters, float[], float[])}, to which a
     * backward will come: that of frozen statistics, {@code dx = gamma · rstd · dy}.
     *
     * @param saved out: a copy of the statistics, and what the backward of this forward needs
     */
    public void inference(
            Batch x, Batch y, Parameters parameters, float[] mean, float[] variance, SavedStatistics saved) {
        requireInference(x, y, parameters, mean, variance);
        arguments.requireFeatures(saved);
        saved.empty();
        saved.copy(mean, variance, eps);
        Workspace workspace = workspaces.take();
        try {
            operations.transform(workspace.tensors.forward(x, y), saved.normalization(parameters, eps, false));
        } finally {
            giveBack(workspace);
        }
        saved.fill(this, x, y, false);
    }

    private void requireInference(Batch x, Batch y, Parameters parameters, float[] mean, float[] variance) {
        requireOpen();
        arguments.requireForward(x, y);
        require(parameters);
        Arguments.requireGiven("mean", mean, "a float[]");
        arguments.requireFeatures("mean", mean);
        Arguments.requireGiven("variance", variance, "a float[]");
        arguments.requireFeatures("variance", variance);
    }

    /** How to normalize with given statistics: the last normalization, if it refers to the same arrays. */
    @SuppressWarnings("ReferenceEquality") // the very arrays
    private Normalization given(Parameters parameters, float[] mean, float[] variance) {
        Normalization last = given;
        if (last == null
                || last.gamma() != parameters.gamma()
                || last.beta() != parameters.beta()
                || last.statistics().mean() != mean
                || last.statistics().variance() != variance) {
            BatchStatistics statistics = BatchStatistics.over(mean, variance);
            last = new Normalization(parameters.gamma(), parameters.beta(), eps, statistics, false);
            given = last;
        }
        return last;
    }

    /**
     * The gradients of the forward that filled {@code saved}: dx, dγ and dβ are overwritten. With x̂ = (x − mean) ·
     * rstd: {@code dbeta = Σ dy}, {@code dgamma = Σ dy · x̂}, and {@code dx = gamma · rstd / m · (m · dy − dbeta − x̂ ·
     * dgamma)} through the batch's statistics, {@code dx = gamma · rstd · dy} through given ones.
     *
     * @param x in: the input of that forward (a copy, if it ran in place)
     * @param dy in, the shape of x: the gradient of the loss by y
     * @param dx out, the shape of x: the gradient of the loss by x; may be the same memory as dy or x
     * @param parameters γ is read, dγ and dβ are written
     * @param saved in, that of the forward; empty afterwards
     * @throws IllegalArgumentException if a shape or a length is wrong
     * @throws IllegalStateException if {@code saved} is not this function's or waits for no backward, or if the
     *     function is closed
     */
    public void backward(Batch x, Batch dy, Batch dx, Parameters parameters, SavedStatistics saved) {
        require(parameters);
        requireBackward(x, dy, dx, saved);
        Workspace workspace = workspaces.take();
        try {
            GradientSums sums = workspace.sums();
            backward(workspace.tensors.backward(x, dy, dx), parameters, saved, sums);
            round(sums.dgamma(), parameters.dgamma());
            round(sums.dbeta(), parameters.dbeta());
        } finally {
            giveBack(workspace);
        }
    }

    private static void round(double[] sums, float @Nullable [] gradient) {
        if (gradient != null) {
            for (int c = 0; c < gradient.length; c++) {
                gradient[c] = (float) sums[c];
            }
        }
    }

    // ---- for the layer

    /** Checks that saved statistics are of the function's features. */
    void require(SavedStatistics saved) {
        arguments.requireFeatures(saved);
    }

    /** Backward; the gradients of γ and β are left in {@code sums}. */
    void backward(Batch x, Batch dy, Batch dx, Parameters parameters, SavedStatistics saved, GradientSums sums) {
        requireBackward(x, dy, dx, saved);
        Workspace workspace = workspaces.take();
        try {
            backward(workspace.tensors.backward(x, dy, dx), parameters, saved, sums);
        } finally {
            giveBack(workspace);
        }
    }

    private void requireBackward(Batch x, Batch dy, Batch dx, SavedStatistics saved) {
        requireOpen();
        arguments.requireBackward(x, dy, dx);
        arguments.requireFeatures(saved);
        saved.requireFilledFor(this, x);
    }

    private void backward(Tensors tensors, Parameters parameters, SavedStatistics saved, GradientSums sums) {
        operations.backward(tensors, saved.normalization(parameters, eps, saved.throughStatistics()), sums);
        saved.empty();
    }

    /** The statistics of a batch, which is not normalized with them. */
    void collectStatistics(Batch x, BatchStatistics statistics) {
        requireOpen();
        arguments.requireInput(x);
        requireNotOneValuePerFeature(x, true);
        Workspace workspace = workspaces.take();
        try {
            if (operations instanceof GhostOperations ofSlices) {
                ofSlices.collectStatistics(workspace.tensors.collect(x), statistics, eps);
            } else {
                Moments moments = workspace.moments();
                operations.collectStatistics(workspace.tensors.collect(x), moments);
                statistics.set(moments, eps);
            }
        } finally {
            giveBack(workspace);
        }
        lookAt(statistics);
    }

    private void requireNotOneValuePerFeature(Batch x, boolean exchanges) {
        if (exchanges && operations instanceof TrainingOperations training) {
            training.requireNotOneValuePerFeature(x.shape());
        } else {
            Arguments.requireNotOneValuePerFeature(x.shape());
        }
    }

    void lookAt(BatchStatistics ofBatch) {
        if (logsNotFinite) {
            Remark.onNotFinite(ofBatch);
        }
    }

    private void require(Parameters parameters) {
        Arguments.requireGiven("parameters", parameters, "Parameters, Parameters.NONE where there are none");
        arguments.requireFeatures("gamma", parameters.gamma());
        arguments.requireFeatures("beta", parameters.beta());
        arguments.requireFeatures("dgamma", parameters.dgamma());
        arguments.requireFeatures("dbeta", parameters.dbeta());
    }

    // ---- life

    /**
     * Frees what the backend holds for this function. Idempotent; afterwards nothing can be computed.
     *
     * <p>One that is left open costs, on the CPU backends, nothing of its own: all layers and functions share threads,
     * which end by themselves when idle for some seconds, and scratch for the largest batch, which goes when none is
     * open or in use any more. On {@code tornadovm} it keeps the device's plans, with their memory and their thread,
     * until the process ends.
     */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            operations.close();
        }
    }

    boolean isClosed() {
        return closed;
    }

    /** Refuses work where the function is closed. */
    void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the " + arguments.owner() + " is closed; build another one");
        }
    }

    @Override
    public String toString() {
        return "BatchNormFunction[features=" + features() + ", eps=" + eps + "] on " + backendName;
    }

    private void giveBack(Workspace workspace) {
        workspace.tensors.clear();
        workspaces.giveBack(workspace);
    }

    /** Builds a function; what is not set has its default. */
    public static final class Builder {
        private final int features;
        private double eps = BatchNormConfig.DEFAULT_EPS;
        private Activations activations = Activations.NONE;
        private final BackendChoice choice = new BackendChoice();

        private Builder(int features) {
            this.features = features;
        }

        /** Added to the variance before the square root; finite, &gt; 0; default 1e-5. */
        public Builder eps(double eps) {
            this.eps = eps;
            return this;
        }

        /** The activation after batch norm, as {@link BatchNormBuilder#activation(Activation)}. */
        public Builder activation(Activation activation) {
            activations = activations.withOutput(activation);
            return this;
        }

        /** The activation before batch norm, as {@link BatchNormBuilder#inputActivation(Activation)}. */
        public Builder inputActivation(Activation activation) {
            activations = activations.withInput(activation);
            return this;
        }

        /** Forces a backend, as {@link BatchNormBuilder#backend(String)} does. */
        public Builder backend(String backend) {
            choice.backend(backend);
            return this;
        }

        /** CPU threads, as {@link BatchNormBuilder#threads(int)}. */
        public Builder threads(int threads) {
            choice.threads(threads);
            return this;
        }

        /** The device of a backend that has several, as {@link BatchNormBuilder#device(String)}. */
        public Builder device(String device) {
            choice.device(device);
            return this;
        }

        /**
         * Builds the function.
         *
         * @throws IllegalArgumentException if a value is out of range or no backend has the given name
         * @throws org.batchnorm.spi.BackendUnavailableException if a backend was forced that cannot be used here, with
         *     the reason and the remedy
         */
        public BatchNormFunction build() {
            BatchNormConfig.requireFeatures(features);
            BatchNormConfig.requireEps(eps);
            return new BatchNormFunction(new Arguments("function", features), eps, activations, choice.open());
        }
    }
}
