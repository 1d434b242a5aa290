package org.batchnorm.cpu.kernel;

import org.jspecify.annotations.Nullable;

/** The kernels of a backend. */
public interface Kernels {

    /** The reduction of x alone, {@code w = d}, or, if the operands have dy, of both, {@code w = dy − dyShift}. */
    Reduction reduction(Operands operands);

    /**
     * The reduction whose {@link Reduction#sample} takes samples of the operands.
     *
     * @param rare whether it runs so rarely that it will not be compiled soon
     */
    Reduction sampling(Operands operands, boolean rare);

    /** The map of x alone, {@code transform}, or, if the operands have dy, of both, {@code inputGradient}. */
    Elementwise elementwise(Operands operands);

    /** The map of rows as they lie in memory, of operands that are staged for all else; null where there is none. */
    default @Nullable Elementwise unstagedRows(Operands operands) {
        return null;
    }

    /** The gradient of a residual. */
    ResidualGradient residualGradient(Operands operands);

    /** The conversions between 16-bit types and float32. */
    Conversions conversions();

    /** Whether kernels have not both activations, before and after batch norm, so that the first is lifted out. */
    default boolean liftsInput() {
        return false;
    }

    /** One value of the map of x alone, {@code d · scale + offset}, with the rounding that all of them have. */
    float transform(float d, float scale, float offset);

    /**
     * The merge of statistics.
     *
     * @param rare whether it runs so rarely that it will not be compiled soon
     */
    MergeStatistics mergeStatistics(boolean rare);

    /**
     * The merge of gradients.
     *
     * @param rare whether it runs so rarely that it will not be compiled soon
     */
    MergeGradients mergeGradients(boolean rare);
}
