package org.batchnorm.cpu;

import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.function.UnaryOperator;

/**
 * The kernels of the backend {@code vector} for one kind of memory: at first the plain ones, and each vector kernel from when it has been compiled.
 *
 * <p>Until then an operation on a vector is a method call that allocates, and a thousand times slower than the instruction that it becomes. So it is not the callers who call the vector kernels until
 * they are compiled, but threads of {@link VectorWarmUp}: one for each of the four uses below, which starts with the first such operation and ends when the kernels are compiled. As both kinds of kernels give
 * the same bits, nothing but the time tells which one was used.
 */
final class VectorKernelSource implements KernelSource {
    private static final Kernels PLAIN = new Kernels(
            new PlainCollectStatistics(), new PlainTransform(), new PlainReduceGradients(), new PlainInputGradient());

    /** The kernels for arrays. */
    static final VectorKernelSource ON_ARRAYS = new VectorKernelSource(true);

    /** The same for segments. */
    static final VectorKernelSource ON_SEGMENTS = new VectorKernelSource(false);

    private final boolean onArrays;

    /** For the forward and the backward operation, each by rows and by runs: 1 from when the warm-up has begun. */
    private final AtomicIntegerArray begun = new AtomicIntegerArray(4);

    private volatile Kernels forRows = PLAIN;
    private volatile Kernels forRuns = PLAIN;

    VectorKernelSource(boolean onArrays) {
        this.onArrays = onArrays;
    }

    @Override
    public Kernels kernels(boolean byRows, boolean backward) {
        Kernels now = byRows ? forRows : forRuns;
        int use = (byRows ? 0 : 1) + (backward ? 2 : 0);
        if (begun.get(use) == 0 && begun.compareAndSet(use, 0, 1)) {
            new VectorWarmUp(this, onArrays, byRows, backward).start();
        }
        return now;
    }

    /** Called by a warm-up: from now on a kernel is another one. */
    synchronized void change(boolean byRows, UnaryOperator<Kernels> change) {
        if (byRows) {
            forRows = change.apply(forRows);
        } else {
            forRuns = change.apply(forRuns);
        }
    }
}
