package org.batchnorm;

import org.batchnorm.data.Batch;
import org.batchnorm.data.FeatureValues;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.Backends.OpenBackend;
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
    private final BatchNormOperations alone;
    final Activations activations;
    final Recomputation recomputation;
    private final Spare<Workspace> workspaces;
    private final boolean logsNotFinite = Boolean.getBoolean(LOG_NOT_FINITE_PROPERTY);
    private final GivenStatistics given;
    private volatile boolean closed;

    BatchNormFunction(
            Arguments arguments, double eps, Activations activations, OpenBackend backend, boolean recomputes) {
        Arguments.requireDone(activations, backend);
        arguments.requireTypeTaken(backend);
        this.recomputation = Recomputation.of(recomputes, activations, backend);
        this.arguments = arguments;
        this.eps = eps;
        this.given = new GivenStatistics(eps);
        this.backendName = backend.name();
        this.operations = backend.operations();
        this.alone = operations instanceof TrainingOperations training ? training.backend() : operations;
        this.activations = activations;
        this.workspaces = new Spare<>(() -> new Workspace(arguments.features(), activations));
    }

    /** A builder with PyTorch's eps, which leaves the backend to the library, for C features (channels). */
    public static BatchNormFunctionBuilder builder(int features) {
        return new BatchNormFunctionBuilder(features);
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
        forward(x, null, y, parameters, saved, true);
    }

    /**
     * Training forward with a residual, {@code y = activation(gamma · (x − mean) · rstd + beta + residual)}, like
     * {@link #forward(Batch, Batch, Parameters, SavedStatistics)}.
     *
     * @param residual in, the shape of x; may be the memory of x or y
     */
    public void forward(Batch x, Batch residual, Batch y, Parameters parameters, SavedStatistics saved) {
        requireResidual(residual);
        forward(x, residual, y, parameters, saved, true);
    }

    /** Both; a layer's inference does not take part in an exchange of several ranks. */
    void forward(
            Batch x,
            @Nullable Batch residual,
            Batch y,
            Parameters parameters,
            SavedStatistics saved,
            boolean exchanges) {
        requireForward(x, residual, y);
        arguments.require(parameters);
        arguments.requireFeatures(saved);
        requireNotOneValuePerFeature(x, exchanges);
        Workspace workspace = workspaces.take();
        try {
            Tensors tensors = workspace.tensors.forward(x, y).withResidual(residual, null);
            (exchanges ? operations : alone).requireTaken(tensors);
            Parameters taken = recomputation.begin(parameters, tensors, saved);
            saved.begin(arguments.type()).count(x.shape().valuesPerFeature());
            Normalization normalization = saved.normalization(taken, eps, true);
            if (operations instanceof TrainingOperations training && !exchanges) {
                training.forwardAlone(tensors, normalization);
            } else {
                operations.forward(tensors, normalization);
            }
        } finally {
            giveBack(workspace);
        }
        lookAt(saved.statistics());
        saved.fill(this, x, residual, y, true);
    }

    void requireForward(Batch x, @Nullable Batch residual, Batch y) {
        requireOpen();
        if (residual == null) {
            arguments.requireForward(x, y);
        } else {
            Arguments.requireResidualDone(operations, backendName);
            arguments.requireForward(x, residual, y);
        }
    }

    /** Refuses null. */
    static void requireResidual(@Nullable Batch residual) {
        Arguments.requireGiven("residual", residual, "a Batch; without one call the method that takes none");
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
        transform(x, null, y, parameters, given.view("mean", mean), given.view("variance", variance), null);
    }

    /**
     * With a residual: {@code y = activation(gamma · (x − mean) / sqrt(variance + eps) + beta + residual)}.
     *
     * @param residual in, the shape of x; may be the memory of x or y
     */
    public void inference(Batch x, Batch residual, Batch y, Parameters parameters, float[] mean, float[] variance) {
        requireResidual(residual);
        transform(x, residual, y, parameters, given.view("mean", mean), given.view("variance", variance), null);
    }

    /** {@link #inference(Batch, Batch, Parameters, float[], float[])} of a function of FLOAT64. */
    public void inference(Batch x, Batch y, Parameters parameters, double[] mean, double[] variance) {
        transform(x, null, y, parameters, given.view("mean", mean), given.view("variance", variance), null);
    }

    /** {@link #inference(Batch, Batch, Batch, Parameters, float[], float[])} of a function of FLOAT64. */
    public void inference(Batch x, Batch residual, Batch y, Parameters parameters, double[] mean, double[] variance) {
        requireResidual(residual);
        transform(x, residual, y, parameters, given.view("mean", mean), given.view("variance", variance), null);
    }

    /**
     * Forward with given statistics, like {@link #inference(Batch, Batch, Parameters, float[], float[])}, to which a
     * backward will come: that of frozen statistics, {@code dx = gamma · rstd · dy}.
     *
     * @param saved out: a copy of the statistics, and what the backward of this forward needs
     */
    public void inference(
            Batch x, Batch y, Parameters parameters, float[] mean, float[] variance, SavedStatistics saved) {
        require(saved);
        transform(x, null, y, parameters, given.view("mean", mean), given.view("variance", variance), saved);
    }

    /** The same with a residual, to which the backward with dresidual will come. */
    public void inference(
            Batch x,
            Batch residual,
            Batch y,
            Parameters parameters,
            float[] mean,
            float[] variance,
            SavedStatistics saved) {
        require(saved);
        requireResidual(residual);
        transform(x, residual, y, parameters, given.view("mean", mean), given.view("variance", variance), saved);
    }

    /** {@link #inference(Batch, Batch, Parameters, float[], float[], SavedStatistics)} of a function of FLOAT64. */
    public void inference(
            Batch x, Batch y, Parameters parameters, double[] mean, double[] variance, SavedStatistics saved) {
        require(saved);
        transform(x, null, y, parameters, given.view("mean", mean), given.view("variance", variance), saved);
    }

    /** All of them; without {@code saved} nobody wants the statistics. */
    void transform(
            Batch x,
            @Nullable Batch residual,
            Batch y,
            Parameters parameters,
            FeatureValues mean,
            FeatureValues variance,
            @Nullable SavedStatistics saved) {
        requireForward(x, residual, y);
        arguments.require(parameters, mean, variance);
        Workspace workspace = workspaces.take();
        try {
            Tensors tensors = workspace.tensors.forward(x, y).withResidual(residual, null);
            if (saved == null) {
                operations.transform(tensors, given.normalization(parameters, mean, variance));
                return;
            }
            alone.requireTaken(tensors);
            Parameters taken = recomputation.begin(parameters, tensors, saved);
            saved.begin(arguments.type()).set(mean, variance, eps);
            operations.transform(tensors, saved.normalization(taken, eps, false));
            saved.fill(this, x, residual, y, false);
        } finally {
            giveBack(workspace);
        }
    }

    /**
     * The gradients of the forward that filled {@code saved}: dx, dγ and dβ are overwritten. With x̂ = (x − mean) ·
     * rstd: {@code dbeta = Σ dy}, {@code dgamma = Σ dy · x̂}, and {@code dx = gamma · rstd / m · (m · dy − dbeta − x̂ ·
     * dgamma)} through the batch's statistics, {@code dx = gamma · rstd · dy} through given ones.
     *
     * @param x in: the input of that forward (a copy, if it ran in place), or its output, if x is recomputed from it
     * @param dy in, the shape of x: the gradient of the loss by y
     * @param dx out, the shape of x: the gradient of the loss by x; may be the same memory as dy or x
     * @param parameters γ is read, unless it is to be that of the forward, as {@link BatchNorm#backward(Batch, Batch,
     *     Batch)} says; dγ and dβ are written
     * @param saved in, that of the forward; empty afterwards
     * @throws IllegalArgumentException if a shape or a length is wrong
     * @throws IllegalStateException if {@code saved} is not this function's or waits for no backward, or if the
     *     function is closed
     */
    public void backward(Batch x, Batch dy, Batch dx, Parameters parameters, SavedStatistics saved) {
        arguments.require(parameters);
        backward(take(x, dy, dx, saved), parameters, saved);
    }

    /**
     * The gradients of a forward with a residual, like {@link #backward(Batch, Batch, Batch, Parameters,
     * SavedStatistics)} of {@code dresidual = dy · activation′(y)} in place of dy.
     *
     * @param y in: the output of that forward
     * @param dx out; may be the same memory as x, y or dy
     * @param dresidual out, the shape of x: the gradient of the loss by the residual; may be the same memory as y or dy
     */
    public void backward(
            Batch x, Batch y, Batch dy, Batch dx, Batch dresidual, Parameters parameters, SavedStatistics saved) {
        arguments.require(parameters);
        backward(take(x, y, dy, dx, dresidual, saved), parameters, saved);
    }

    private void backward(Workspace workspace, Parameters parameters, SavedStatistics saved) {
        try {
            GradientSums sums = workspace.sums();
            backward(workspace.tensors, parameters, saved, sums);
            parameters.setGradients(sums);
        } finally {
            giveBack(workspace);
        }
    }

    // ---- for the layer

    /** Checks that saved statistics are of the function's features. */
    void require(SavedStatistics saved) {
        arguments.requireFeatures(saved);
    }

    /** A workspace with the tensors of a backward, which are checked. */
    Workspace take(Batch x, Batch dy, Batch dx, SavedStatistics saved) {
        requireOpen();
        arguments.requireBackward(x, dy, dx);
        recomputation.requireOutput(x);
        requireFilledFor(x, saved, false);
        Workspace workspace = workspaces.take();
        recomputation.set(workspace.tensors, x, dy, dx);
        return workspace;
    }

    /** The same of a forward with a residual. */
    Workspace take(Batch x, Batch y, Batch dy, Batch dx, Batch dresidual, SavedStatistics saved) {
        requireOpen();
        Arguments.requireResidualDone(operations, backendName);
        arguments.requireBackward(x, y, dy, dx, dresidual);
        requireFilledFor(x, saved, true);
        Workspace workspace = workspaces.take();
        workspace.tensors.backward(x, y, dy, dx, dresidual);
        return workspace;
    }

    private void requireFilledFor(Batch x, SavedStatistics saved, boolean withResidual) {
        arguments.requireFeatures(saved);
        saved.requireFilledFor(this, x);
        saved.requireResidual(withResidual, activations.output());
    }

    /** Backward, after which the workspace is given back; the gradients of γ and β are left in {@code sums}. */
    void backward(Workspace workspace, Parameters parameters, SavedStatistics saved, GradientSums sums) {
        try {
            backward(workspace.tensors, parameters, saved, sums);
        } finally {
            giveBack(workspace);
        }
    }

    private void backward(Tensors tensors, Parameters parameters, SavedStatistics saved, GradientSums sums) {
        Parameters taken = recomputation.ofBackward(parameters, saved);
        operations.backward(tensors, saved.normalization(taken, eps, saved.throughStatistics()), sums);
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
}
