package org.batchnorm.cpu;

/** The kernels of the backend {@code vector}. Loading this class needs the Vector API's module. */
final class VectorKernels {
    /** The kernels for arrays. */
    static final Kernels ON_ARRAYS = new Kernels(
            new VectorCollectStatistics(),
            new VectorTransform(),
            new VectorReduceGradients(),
            new VectorInputGradient());

    /** The same for segments. */
    static final Kernels ON_SEGMENTS = new Kernels(
            VectorMemory.onSegments(VectorCollectStatistics.class, CollectStatistics.class),
            VectorMemory.onSegments(VectorTransform.class, Transform.class),
            VectorMemory.onSegments(VectorReduceGradients.class, ReduceGradients.class),
            VectorMemory.onSegments(VectorInputGradient.class, InputGradient.class));

    private VectorKernels() {}

    /** The floats that a vector holds. */
    static int lanes() {
        return VectorMemory.FLOATS.length();
    }
}
