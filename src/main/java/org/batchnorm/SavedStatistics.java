package org.batchnorm;

import java.lang.foreign.MemorySegment;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BatchStatistics;
import org.jspecify.annotations.Nullable;

/**
 * What one forward operation leaves for its backward operation: the statistics with which it normalized, and which
 * batch that was. A layer has one of its own, used where none is given; to have several forwards in flight before their
 * backwards (micro-batches), give each one its own and reuse it afterwards.
 *
 * <p>A forward operation fills it, the backward operation of that forward empties it. Filling one that was not emptied
 * discards what it held.
 */
public final class SavedStatistics {
    private final int features;
    private final BatchStatistics statistics;

    private @Nullable BatchNorm filledBy;
    private @Nullable BatchShape shape;
    private boolean throughStatistics;
    private @Nullable Object overwrittenInput;

    /**
     * Empty saved statistics for layers of that many features.
     *
     * @param features C, ≥ 1
     * @throws IllegalArgumentException if {@code features} is less than 1
     */
    public SavedStatistics(int features) {
        if (features < 1) {
            throw new IllegalArgumentException("features: " + features + " given, must be at least 1");
        }
        this.features = features;
        this.statistics = new BatchStatistics(features);
    }

    /** C. */
    public int features() {
        return features;
    }

    /** Whether a forward operation is waiting for its backward. */
    public boolean isFilled() {
        return filledBy != null;
    }

    /** The mean with which the last forward normalized, (C); a copy. */
    public float[] mean() {
        return statistics.mean().clone();
    }

    /** {@code 1 / sqrt(var + eps)} with which the last forward normalized, (C); a copy. */
    public float[] rstd() {
        return statistics.rstd().clone();
    }

    BatchStatistics statistics() {
        return statistics;
    }

    boolean throughStatistics() {
        return throughStatistics;
    }

    void fill(BatchNorm layer, BatchShape shape, boolean throughStatistics, @Nullable Object overwrittenInput) {
        this.filledBy = layer;
        this.shape = shape;
        this.throughStatistics = throughStatistics;
        this.overwrittenInput = overwrittenInput;
    }

    void empty() {
        filledBy = null;
        shape = null;
        overwrittenInput = null;
    }

    /**
     * Checks that the backward operation of {@code layer} on {@code x} of {@code given} shape belongs to the forward
     * that filled this.
     */
    @SuppressWarnings("ReferenceEquality") // the very layer
    void requireFilledFor(BatchNorm layer, BatchShape given, Object x) {
        if (filledBy == null) {
            throw new IllegalStateException(
                    "backward: no forward is waiting for its backward; call forward in training mode (or with saved statistics) before each"
                            + " backward, and backward once for each forward");
        }
        if (filledBy != layer) {
            throw new IllegalStateException(
                    "saved: these saved statistics were filled by the forward of another layer; give those of this layer's forward");
        }
        if (!given.equals(shape)) {
            throw new IllegalArgumentException("shape: " + given + " given, must be that of the forward, " + shape);
        }
        if (overwrittenInput != null && isSameMemory(overwrittenInput, x)) {
            throw new IllegalArgumentException(
                    "x: the forward ran in place and has overwritten it with y; give a copy of x that was made before the forward");
        }
    }

    @SuppressWarnings("ReferenceEquality") // of arrays, identity is the question
    private static boolean isSameMemory(Object overwritten, Object x) {
        if (overwritten instanceof float[] || x instanceof float[]) {
            return overwritten == x || isBackedBy(overwritten, x) || isBackedBy(x, overwritten);
        }
        return ((MemorySegment) overwritten)
                .asOverlappingSlice((MemorySegment) x)
                .isPresent();
    }

    @SuppressWarnings("ReferenceEquality")
    private static boolean isBackedBy(Object segment, Object array) {
        return segment instanceof MemorySegment memory
                && memory.heapBase().filter(base -> base == array).isPresent();
    }
}
