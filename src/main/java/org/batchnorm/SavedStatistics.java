package org.batchnorm;

import java.util.Arrays;
import java.util.List;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.Normalization;
import org.jspecify.annotations.Nullable;

/**
 * What one forward operation leaves for its backward operation: the statistics with which it normalized, which batch
 * that was, and, where backward needs them as they were, copies of γ and β. A layer has one of its own, used where none
 * is given; to have several forwards in flight before their backwards (micro-batches), give each one its own and reuse
 * it afterwards.
 *
 * <p>A forward operation fills it, the backward operation of that forward empties it. Filling one that was not emptied
 * discards what it held. A batch without values has no statistics: then those are kept that were there.
 */
public final class SavedStatistics {
    private final int features;
    private final boolean forBackward;
    private BatchStatistics statistics;

    private @Nullable BatchNormFunction filledBy;
    private @Nullable BatchShape shape;
    private boolean throughStatistics;
    private boolean withResidual;
    private @Nullable Batch overwrittenInput;

    /**
     * The last normalizations with these statistics, as given ones and through them; the next is most often the same.
     */
    private final @Nullable Normalization[] last = new Normalization[2];

    private Parameters lastParameters = Parameters.NONE;
    private @Nullable Parameters kept;

    /**
     * Empty saved statistics for layers of that many features.
     *
     * @param features C, ≥ 1
     * @throws IllegalArgumentException if {@code features} is less than 1
     */
    public SavedStatistics(int features) {
        this(features, true);
    }

    private SavedStatistics(int features, boolean forBackward) {
        BatchNormConfig.requireFeatures(features);
        this.features = features;
        this.forBackward = forBackward;
        this.statistics = new BatchStatistics(features);
    }

    /** Those of forwards to which no backward will come. */
    static SavedStatistics withoutBackward(int features) {
        return new SavedStatistics(features, false);
    }

    boolean isForBackward() {
        return forBackward;
    }

    /** Takes copies of γ and β, with which the backward will be made, too. */
    Parameters keep(Parameters parameters) {
        kept = parameters.copied(kept);
        return kept;
    }

    /** Those copies. */
    Parameters kept() {
        return kept == null ? Parameters.NONE : kept;
    }

    /** C. */
    public int features() {
        return features;
    }

    /** Whether a forward operation is waiting for its backward. */
    public boolean isFilled() {
        return filledBy != null;
    }

    /**
     * The mean with which the last forward normalized, (C); a copy. Of ghost batches it is that of all their values.
     *
     * @throws IllegalStateException if that forward was one of FLOAT64, whose mean is {@link #doubleMean()}
     */
    public float[] mean() {
        return statistics.mean().clone();
    }

    /**
     * The variance with which the last forward normalized, (C); a copy. That of a batch is the biased one, with divisor
     * m. Of ghost batches it is that of all their values.
     */
    public float[] variance() {
        return statistics.variance().clone();
    }

    /** {@code 1 / sqrt(var + eps)} with which the last forward normalized, (C); a copy. */
    public float[] rstd() {
        return statistics.rstd().clone();
    }

    /** {@link #mean()} of a forward of FLOAT64. */
    public double[] doubleMean() {
        return statistics.doubleMean().clone();
    }

    /** {@link #variance()} of a forward of FLOAT64. */
    public double[] doubleVariance() {
        return statistics.doubleVariance().clone();
    }

    /** {@link #rstd()} of a forward of FLOAT64. */
    public double[] doubleRstd() {
        return statistics.doubleRstd().clone();
    }

    BatchStatistics statistics() {
        return statistics;
    }

    /** Discards what it holds, and makes room for statistics of a type. */
    BatchStatistics begin(ElementType type) {
        empty();
        if (statistics.type() != type) {
            statistics = new BatchStatistics(features, type);
            Arrays.fill(last, null);
        }
        statistics.clearPart();
        return statistics;
    }

    boolean throughStatistics() {
        return throughStatistics;
    }

    boolean hasResidual() {
        return withResidual;
    }

    /** How to normalize with these statistics; an object that is used again while the parameters stay the same. */
    Normalization normalization(Parameters parameters, double eps, boolean through) {
        if (!GivenStatistics.areSame(lastParameters, parameters)) {
            lastParameters = parameters;
            Arrays.fill(last, null);
        }
        int kind = through ? 1 : 0;
        Normalization kept = last[kind];
        if (kept == null || kept.eps() != eps) {
            kept = Normalization.of(parameters.gamma, parameters.beta, eps, statistics, through);
            last[kind] = kept;
        }
        return kept;
    }

    /** Notes the forward that these statistics are of. */
    void fill(BatchNormFunction function, Batch x, @Nullable Batch residual, Batch y, boolean through) {
        filledBy = function;
        shape = x.shape();
        throughStatistics = through;
        withResidual = residual != null;
        overwrittenInput = x.overlap(y) > 0 && !function.recomputation.wanted() ? y : null;
    }

    /** Checks that a forward with the statistics of its batch has filled this. */
    void requireOfBatch() {
        if (shape == null || !throughStatistics) {
            throw new IllegalStateException(
                    "saved: " + (shape == null ? "no forward has filled it" : "filled with given statistics")
                            + "; give that of a forward with the batch's statistics, before its backward");
        }
    }

    /** The statistics of each ghost batch, or of the batch. */
    List<BatchStatistics> ofEach() {
        return filledBy != null && filledBy.operations instanceof GhostOperations ofSlices
                ? ofSlices.ofEach(statistics)
                : List.of(statistics);
    }

    void empty() {
        filledBy = null;
        shape = null;
        withResidual = false;
        overwrittenInput = null;
    }

    /** Lets go of the caller's memory: empties what a forward in place has filled. */
    void forgetInPlace() {
        if (overwrittenInput != null) {
            empty();
        }
    }

    /**
     * Checks that the backward of a forward with a residual is the one with it, and of one without the one without.
     * Without an activation behind it dy is the gradient of both, and either will do for a forward with one.
     */
    void requireResidual(boolean given, Activation output) {
        if (given && filledBy != null && !withResidual) {
            throw new IllegalStateException(
                    "backward: y and dresidual given, but the forward had no residual; call" + " backward(x, dy, dx)");
        }
        if (!given && withResidual && !output.isNone()) {
            throw new IllegalStateException("backward: the forward had a residual, so that the sign of the activation"
                    + " is that of y; call backward(x, y, dy, dx, dresidual)");
        }
    }

    /** Checks that the backward operation of {@code function} on {@code x} belongs to the forward that filled this. */
    @SuppressWarnings("ReferenceEquality") // the very function
    void requireFilledFor(BatchNormFunction function, Batch x) {
        if (filledBy == null) {
            throw new IllegalStateException(
                    "backward: no forward is waiting for its backward; call forward in training mode (or with saved statistics) before each"
                            + " backward, and backward once for each forward");
        }
        if (filledBy != function) {
            throw new IllegalStateException(
                    "saved: these saved statistics were filled by the forward of another layer or function; give those of this one's forward");
        }
        if (!x.shape().equals(shape)) {
            throw new IllegalArgumentException("shape: " + x.shape() + " given, must be that of the forward, " + shape);
        }
        if (overwrittenInput != null && overwrittenInput.overlap(x) > 0) {
            throw new IllegalArgumentException(
                    "x: the forward ran in place and has overwritten it with y; give a copy of x that was made before the forward");
        }
    }
}
