package org.batchnorm.cpu;

/** The kernels of the backend {@code vector}. Loading this class needs the Vector API's module. */
final class VectorKernels {
    static final Kernels ALL = new Kernels(
            new VectorCollectStatistics(),
            VectorMemory.HAS_HALVES ? new VectorMergeStatistics() : new ScalarMergeStatistics(),
            new VectorTransform(),
            new VectorReduceGradients(),
            VectorMemory.HAS_HALVES ? new VectorMergeGradients() : new ScalarMergeGradients(),
            new VectorInputGradient());

    private VectorKernels() {}

    /** The floats that a vector holds. */
    static int lanes() {
        return VectorMemory.FLOATS.length();
    }
}
