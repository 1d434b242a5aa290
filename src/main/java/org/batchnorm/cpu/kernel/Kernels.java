package org.batchnorm.cpu.kernel;

/** The kernels of a backend. */
public interface Kernels {

    /** The reduction of the operands: of x alone, {@code w = d}, or of x and a second input, {@code w = dy}. */
    Reduction reduction(Operands operands);

    /**
     * The reduction that samples.
     *
     * @param rare whether it runs so rarely that it will not be compiled soon
     */
    Reduction sampling(Operands operands, boolean rare);

    /** The map of the operands: of x alone, {@code transform}, or of x and a second input, {@code inputGradient}. */
    Elementwise elementwise(Operands operands);

    /**
     * The merge of statistics.
     *
     * @param rare whether it runs so rarely that it will not be compiled soon
     */
    MergeStatistics mergeStatistics(boolean rare);

    /** The merge of gradients; likewise. */
    MergeGradients mergeGradients(boolean rare);
}
