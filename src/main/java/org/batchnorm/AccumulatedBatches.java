package org.batchnorm;

import org.batchnorm.data.Batch;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * One large batch in several micro-batches: for training with a batch that is too large to pass through a network at
 * once. A layer that is given micro-batches one after the other normalizes each with its own statistics, so that
 * gradients which are accumulated over them are not those of the large batch. These are: the statistics, y, dx, dγ, dβ
 * and the running statistics are those of the large batch, within rounding. The price is a second sweep in each
 * direction:
 *
 * <pre>{@code
 * AccumulatedBatches large = new AccumulatedBatches(layer);
 * for (int i = 0; i < parts; i++) large.collectStatistics(x[i]);      // μ, σ² of all
 * large.mergeStatistics();                                            // the running statistics follow, once
 * for (int i = 0; i < parts; i++) large.transform(x[i], y[i]);        // y = γ · (x − μ) · rstd + β
 * …                                                                   // the layers behind: y[i] → dy[i]
 * for (int i = 0; i < parts; i++) large.reduceGradients(x[i], dy[i]); // Σ dy, Σ dy · x̂ of all
 * large.mergeGradients();                                             // are added to the layer's gradients
 * for (int i = 0; i < parts; i++) large.inputGradient(x[i], dy[i], dx[i]);
 * }</pre>
 *
 * <p>With m the values of each feature in all micro-batches, x̂ = (x − μ) · rstd, and every sum over all of them:
 *
 * <pre>{@code
 * μ = Σ x / m,   σ² = Σ (x − μ)² / m,   rstd = 1 / sqrt(σ² + eps)
 * dβ = Σ dy,     dγ = Σ dy · x̂,         dx = γ · rstd / m · (m · dy − dβ − x̂ · dγ)
 * }</pre>
 *
 * <p>dy is the gradient of the loss of the large batch: where that is a mean over samples, divide by all of them.
 * Moments are merged in double precision (Chan, Golub &amp; LeVeque 1983). Between the calls nothing but sums is kept,
 * so micro-batches may differ in size and layout, have one value or none, and come in another order in each sweep; only
 * the last bits depend on it. {@code reduceGradients} reads x twice.
 *
 * <p>The layer may have activations, as {@link BatchNormBuilder#activation} and
 * {@link BatchNormBuilder#inputActivation} have them. The sign of one after batch norm is made again of x, bit by bit
 * where one backend does both, by the statistics of all and the γ and β of {@code mergeStatistics}, of which copies are
 * kept: y and dx go by these, whatever an optimizer has made of the layer's since. Without it γ and β are taken as they
 * are when they are used.
 *
 * <p>A residual is added to all micro-batches or to none, {@code y = activation(BN(x) + residual)}. Its gradient
 * {@code dresidual = dy · activation′(y)} stands for dy from there on:
 *
 * <pre>{@code
 * large.transform(x[i], residual[i], y[i]);
 * large.reduceGradients(x[i], y[i], dy[i], dresidual[i]);             // writes dresidual[i]
 * large.inputGradient(x[i], dresidual[i], dx[i]);
 * }</pre>
 *
 * <p>A wrong order of calls is an {@link IllegalStateException} that names the call, before anything is changed; so is
 * a micro-batch too many or too few. When the last micro-batch has its dx, {@code collectStatistics} begins the next
 * large batch; {@link #clear()} begins it earlier. Data and their errors are as in {@link BatchNorm}: y may be the same
 * memory as x, if x is there again for the gradients, and dx the same as x or dy. One object serves one thread at a
 * time, and while it is used nobody else trains its layer.
 */
public final class AccumulatedBatches {
    private static final String IN_ORDER = "; the order is collectStatistics of every micro-batch, mergeStatistics,"
            + " transform of each, reduceGradients of each, mergeGradients, inputGradient of each";

    /** What has come last. */
    private enum Stage {
        COLLECTED,
        STATISTICS_MERGED,
        GRADIENTS_MERGED
    }

    private final BatchNorm layer;
    private final BatchNormFunction function;
    private final BatchNormOperations operations;
    private final Tensors tensors;
    private final SavedStatistics saved;
    private final Moments moments;
    private final Moments ofMicroBatch;
    private final GradientSums sums;
    private final GradientSums sumsOfMicroBatch;
    private final boolean keepsParameters;

    private Stage stage = Stage.COLLECTED;
    private long collected;
    private long reduced;
    private long differentiated;
    private long valuesDifferentiated;
    private boolean transformed;
    private boolean withResidual;

    /**
     * Of a layer, whose momentum and switches are taken as they are when they are used.
     *
     * @throws IllegalArgumentException if the layer's statistics are those of several ranks or of ghost batches, or if
     *     it recomputes its input
     */
    public AccumulatedBatches(BatchNorm layer) {
        Arguments.requireGiven("layer", layer, "a BatchNorm");
        this.layer = layer;
        this.function = layer.function;
        this.operations = function.operations;
        if (operations instanceof TrainingOperations) {
            throw new IllegalArgumentException("layer: built with synchronizedBy or ghostBatch, which make statistics"
                    + " of other values than a batch's; must be a layer without, as these merge those of batches");
        }
        if (function.recomputation.wanted()) {
            throw new IllegalArgumentException("layer: built with recomputeInputFromOutput; must be a layer without, as"
                    + " the gradients of micro-batches need x");
        }
        this.tensors = new Tensors(function.activations);
        this.keepsParameters = !function.activations.output().isNone();
        int features = function.features();
        this.saved = new SavedStatistics(features);
        saved.begin(function.arguments.type());
        this.moments = new Moments(features);
        this.ofMicroBatch = new Moments(features);
        this.sums = new GradientSums(features);
        this.sumsOfMicroBatch = new GradientSums(features);
    }

    /** The micro-batches of this large batch that were collected. */
    public long microBatches() {
        return collected;
    }

    /** m, the values of each feature that were collected. */
    public long count() {
        return moments.count();
    }

    /** Forgets a large batch, wherever it is: the next call is {@code collectStatistics}. The layer stays as it is. */
    public void clear() {
        stage = Stage.COLLECTED;
        collected = 0;
        reduced = 0;
        differentiated = 0;
        valuesDifferentiated = 0;
        transformed = false;
        withResidual = false;
        moments.clear();
        sums.clear();
    }

    // ---- forward

    /**
     * First sweep: adds the mean and the squares about it of one micro-batch.
     *
     * @param x in; its C is the layer's
     * @throws IllegalArgumentException if a shape is wrong
     * @throws IllegalStateException if a large batch waits for other calls, or the layer does not normalize with the
     *     statistics of batches
     */
    public void collectStatistics(Batch x) {
        function.requireOpen();
        require(Stage.COLLECTED, "collectStatistics", "statistics are merged already, and not every dx was made");
        if (!layer.useBatchStatistics && layer.state.running != null) {
            throw new IllegalStateException("collectStatistics: the layer normalizes with its running statistics; call"
                    + " train() first, or its forward with every micro-batch");
        }
        function.arguments.requireInput(x);
        collect(x);
        moments.add(ofMicroBatch);
        collected++;
    }

    private void collect(Batch x) {
        try {
            operations.collectStatistics(tensors.collect(x), ofMicroBatch);
        } finally {
            tensors.clear();
        }
    }

    /**
     * Ends the first sweep: from here on the statistics are those of all micro-batches. The layer's running statistics
     * follow them as one batch, {@code running = (1 − momentum) · running + momentum · batch}, the variance with
     * divisor m − 1.
     *
     * @throws IllegalArgumentException if all micro-batches together have one value per feature
     * @throws IllegalStateException if none was collected, or the statistics are merged already
     */
    public void mergeStatistics() {
        function.requireOpen();
        require(Stage.COLLECTED, "mergeStatistics", "statistics are merged already");
        if (collected == 0) {
            throw new IllegalStateException("mergeStatistics: no micro-batch was collected" + IN_ORDER);
        }
        if (moments.count() == 1) {
            throw new IllegalArgumentException("mergeStatistics: expected more than 1 value per feature to take batch"
                    + " statistics from, the " + collected + " micro-batches together have 1");
        }
        layer.oneThread.enter("mergeStatistics");
        try {
            follow();
        } finally {
            layer.oneThread.leave();
        }
        stage = Stage.STATISTICS_MERGED;
    }

    private void follow() {
        if (keepsParameters) {
            saved.keep(layer.state.parameters);
        }
        BatchStatistics statistics = saved.statistics();
        statistics.set(moments, function.eps());
        function.lookAt(statistics);
        RunningStatistics running = layer.state.running;
        if (layer.updateRunningStatistics && running != null) {
            running.update(statistics, layer.config().momentum());
        }
    }

    /**
     * Second sweep: {@code y = gamma · (x − mean) · rstd + beta} of one micro-batch. Again as often as wanted, where y
     * is made anew for the backward.
     *
     * @param x in
     * @param y out, the shape of x; may be the same memory
     * @throws IllegalArgumentException if a shape is wrong
     * @throws IllegalStateException if the statistics are not merged, or other micro-batches of this large batch have a
     *     residual
     */
    public void transform(Batch x, Batch y) {
        normalize(x, null, y);
    }

    /**
     * The same with a residual: {@code y = activation(gamma · (x − mean) · rstd + beta + residual)}.
     *
     * @param residual in, the shape of x; may be the memory of x or y
     * @throws IllegalArgumentException if a shape is wrong, or if the backend adds no residual
     * @throws IllegalStateException if the statistics are not merged, or other micro-batches have no residual
     */
    public void transform(Batch x, Batch residual, Batch y) {
        BatchNormFunction.requireResidual(residual);
        normalize(x, residual, y);
    }

    private void normalize(Batch x, @Nullable Batch residual, Batch y) {
        requireStatistics("transform");
        function.requireForward(x, residual, y);
        if ((transformed || reduced > 0) && withResidual != (residual != null)) {
            throw new IllegalStateException("transform: " + (withResidual ? "without" : "with") + " a residual after"
                    + " micro-batches " + (withResidual ? "with" : "without") + " one; must be alike for all of a large"
                    + " batch, and clear() begins anew");
        }
        try {
            operations.transform(tensors.forward(x, y).withResidual(residual, null), normalization());
        } finally {
            tensors.clear();
        }
        transformed = true;
        withResidual = residual != null;
    }

    // ---- backward

    /**
     * First sweep of the backward: adds Σ dy and Σ dy · x̂ of one micro-batch.
     *
     * @param x in, the input of the forward (a copy, if that ran in place)
     * @param dy in, the shape of x: the gradient of the loss by y
     * @throws IllegalArgumentException if a shape is wrong
     * @throws IllegalStateException if the statistics are not merged, the gradients are already, there are more
     *     micro-batches or values than were collected, or there is an activation behind a residual
     */
    public void reduceGradients(Batch x, Batch dy) {
        requireReduction();
        function.arguments.requireGradient(x, dy);
        if (withResidual && keepsParameters) {
            throw new IllegalStateException("reduceGradients: micro-batches with a residual, so that the sign of the"
                    + " activation is that of y; call reduceGradients(x, y, dy, dresidual)");
        }
        requireNotTooMuch("reduceGradients", reduced, sums.count(), x);
        collect(x);
        reduce(tensors.reduce(x, dy));
    }

    /**
     * The same of a micro-batch with a residual. Writes {@code dresidual = dy · activation′(y)}, and adds the sums of
     * that in place of dy.
     *
     * @param x in, the input of the forward (a copy, if y was written over it)
     * @param y in, the shape of x: what {@code transform} gave
     * @param dresidual out, the shape of x: the gradient by the residual, for {@code inputGradient}; may be the same
     *     memory as y or dy, not as x
     * @throws IllegalArgumentException if a shape or memory is wrong
     * @throws IllegalStateException as without, or if there was no residual
     */
    public void reduceGradients(Batch x, Batch y, Batch dy, Batch dresidual) {
        requireReduction();
        function.arguments.requireGradient(x, y, dy, dresidual);
        if (!withResidual) {
            throw new IllegalStateException("reduceGradients: y and dresidual given, but no transform had a residual;"
                    + " call transform(x, residual, y) of each micro-batch first, or reduceGradients(x, dy)");
        }
        requireNotTooMuch("reduceGradients", reduced, sums.count(), x);
        collect(x);
        reduce(tensors.reduce(x, y, dy, dresidual));
    }

    private void requireReduction() {
        requireStatistics("reduceGradients");
        require(Stage.STATISTICS_MERGED, "reduceGradients", "gradients are merged already");
    }

    /** Of a micro-batch whose moments were collected anew: nobody has kept them. */
    private void reduce(Tensors gradient) {
        saved.statistics().setPart(ofMicroBatch);
        try {
            operations.reduceGradients(gradient, normalization(), sumsOfMicroBatch);
        } finally {
            tensors.clear();
        }
        sums.add(sumsOfMicroBatch);
        reduced++;
    }

    /**
     * Ends the first sweep of the backward, and adds dγ and dβ of all micro-batches to {@link BatchNorm#weightGradient}
     * and {@link BatchNorm#biasGradient}, rounded once.
     *
     * @throws IllegalStateException if not every micro-batch was reduced, or the gradients are merged already
     */
    public void mergeGradients() {
        requireStatistics("mergeGradients");
        require(Stage.STATISTICS_MERGED, "mergeGradients", "gradients are merged already");
        if (reduced != collected) {
            throw new IllegalStateException("mergeGradients: reduceGradients has had " + reduced + " of " + collected
                    + " micro-batches" + IN_ORDER);
        }
        layer.oneThread.enter("mergeGradients");
        try {
            layer.state.add(sums);
        } finally {
            layer.oneThread.leave();
        }
        stage = Stage.GRADIENTS_MERGED;
    }

    /**
     * Second sweep of the backward: {@code dx = gamma · rstd / m · (m · dy − dbeta − x̂ · dgamma)} of one micro-batch,
     * with the m, dβ and dγ of all.
     *
     * @param x in, the input of the forward
     * @param dy in, the shape of x; behind a residual the dresidual that {@code reduceGradients} wrote
     * @param dx out, the shape of x; may be the same memory as dy or x
     * @throws IllegalArgumentException if a shape is wrong
     * @throws IllegalStateException if the gradients are not merged, or there are more micro-batches or values than
     *     were collected
     */
    public void inputGradient(Batch x, Batch dy, Batch dx) {
        function.requireOpen();
        require(Stage.GRADIENTS_MERGED, "inputGradient", "gradients are not merged");
        function.arguments.requireBackward(x, dy, dx);
        requireNotTooMuch("inputGradient", differentiated, valuesDifferentiated, x);
        try {
            Tensors gradient = tensors.backward(x, dy, dx).withResidual(null, withResidual ? dy : null);
            operations.inputGradient(gradient, normalization(), sums);
        } finally {
            tensors.clear();
        }
        differentiated++;
        valuesDifferentiated += x.shape().valuesPerFeature();
        if (differentiated == collected) {
            clear();
        }
    }

    // ---- helpers

    private Normalization normalization() {
        Parameters parameters = keepsParameters ? saved.kept() : layer.state.parameters;
        return saved.normalization(parameters, function.eps(), true);
    }

    private void requireStatistics(String call) {
        function.requireOpen();
        if (stage == Stage.COLLECTED) {
            throw new IllegalStateException(call + ": statistics are not merged" + IN_ORDER);
        }
    }

    private void require(Stage needed, String call, String given) {
        if (stage != needed) {
            throw new IllegalStateException(call + ": " + given + IN_ORDER + ", and clear() begins anew");
        }
    }

    /** Refuses a micro-batch that was not collected, or not as large, or comes twice. */
    private void requireNotTooMuch(String call, long microBatches, long values, Batch x) {
        boolean last = microBatches + 1 == collected;
        long all = values + x.shape().valuesPerFeature();
        if (microBatches == collected || all > moments.count() || (last && all != moments.count())) {
            throw new IllegalStateException(call + ": x with " + x.shape().valuesPerFeature()
                    + " values per feature given after " + microBatches + " of " + collected + " micro-batches with "
                    + values + " of " + moments.count() + "; must be each micro-batch that was collected, once");
        }
    }
}
