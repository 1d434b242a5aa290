package org.batchnorm.cpu;

/** The kernels of the backend {@code vector}, each kind loaded when it is first asked for. Loading them needs the Vector API's module. */
final class VectorKernels {
    private VectorKernels() {}

    /** The kernels for arrays. */
    static Kernels onArrays() {
        return OnArrays.KERNELS;
    }

    /** The same for segments. */
    static Kernels onSegments() {
        return OnSegments.KERNELS;
    }

    private static final class OnArrays {
        static final Kernels KERNELS = new Kernels(
                new VectorCollectStatistics(),
                new VectorTransform(),
                new VectorReduceGradients(),
                new VectorInputGradient());
    }

    private static final class OnSegments {
        static final Kernels KERNELS = new Kernels(
                VectorMemory.onSegments(VectorCollectStatistics.class, CollectStatistics.class),
                VectorMemory.onSegments(VectorTransform.class, Transform.class),
                VectorMemory.onSegments(VectorReduceGradients.class, ReduceGradients.class),
                VectorMemory.onSegments(VectorInputGradient.class, InputGradient.class));
    }
}
