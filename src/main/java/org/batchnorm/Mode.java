package org.batchnorm;

/** What a {@link BatchNorm} layer normalizes with, and whether it learns from the batches that it sees. */
public enum Mode {
    /** Normalize with the batch's statistics, update the running ones, keep what backward needs. */
    TRAINING,
    /**
     * Normalize with the running statistics (the batch's own where the layer tracks none) and change nothing in the
     * layer.
     */
    INFERENCE,
    /** Normalize with the running statistics and leave them alone, and keep what backward needs. */
    FROZEN
}
