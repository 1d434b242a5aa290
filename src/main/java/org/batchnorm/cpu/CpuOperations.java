package org.batchnorm.cpu;

import java.lang.foreign.MemorySegment;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.jspecify.annotations.Nullable;

/**
 * The operations of both CPU backends. Chooses how the memory is seen (as arrays, which writable segments over a
 * {@code float[]} are as well, or all of it as segments), the blocks for the shape and the number of threads, and
 * leaves the work to an {@link Execution}.
 */
final class CpuOperations implements BatchNormOperations {
    /** Below this many values, waking other threads costs more than they save. */
    private static final long ALONE_BELOW = 64 * 1024;

    private final Kernels kernels;
    private final int threads;
    private volatile Blocks blocks = Blocks.NONE;

    CpuOperations(Kernels kernels, int threads) {
        this.kernels = kernels;
        this.threads = threads;
    }

    @Override
    public void collectStatistics(BatchShape shape, MemorySegment x, double eps, BatchStatistics statistics) {
        if (Memory.isArray(x)) {
            collectStatistics(shape, threads, Memory.array(x), Memory.start(x), eps, statistics);
        } else {
            collectStatistics(shape, threadsFor(x, x, x), x, 0, eps, statistics);
        }
    }

    @Override
    public void collectStatistics(BatchShape shape, float[] x, double eps, BatchStatistics statistics) {
        collectStatistics(shape, threads, x, 0, eps, statistics);
    }

    private void collectStatistics(
            BatchShape shape, int most, Object x, long xStart, double eps, BatchStatistics statistics) {
        Execution execution = begin(shape, most, x, xStart);
        try {
            execution.collectStatistics(eps, statistics);
        } finally {
            Executions.giveBack(execution);
        }
    }

    @Override
    public void forward(
            BatchShape shape,
            MemorySegment x,
            MemorySegment y,
            float @Nullable [] gamma,
            float @Nullable [] beta,
            double eps,
            BatchStatistics statistics) {
        if (Memory.isArray(x) && Memory.isArray(y)) {
            forward(
                    shape,
                    threads,
                    Memory.array(x),
                    Memory.start(x),
                    Memory.array(y),
                    Memory.start(y),
                    gamma,
                    beta,
                    eps,
                    statistics);
        } else {
            forward(shape, threadsFor(x, y, y), x, 0, y, 0, gamma, beta, eps, statistics);
        }
    }

    @Override
    public void forward(
            BatchShape shape,
            float[] x,
            float[] y,
            float @Nullable [] gamma,
            float @Nullable [] beta,
            double eps,
            BatchStatistics statistics) {
        forward(shape, threads, x, 0, y, 0, gamma, beta, eps, statistics);
    }

    private void forward(
            BatchShape shape,
            int most,
            Object x,
            long xStart,
            Object y,
            long yStart,
            float @Nullable [] gamma,
            float @Nullable [] beta,
            double eps,
            BatchStatistics statistics) {
        Execution execution = begin(shape, most, x, xStart);
        try {
            execution.writeTo(y, yStart);
            execution.forward(gamma, beta, eps, statistics);
        } finally {
            Executions.giveBack(execution);
        }
    }

    @Override
    public void inference(
            BatchShape shape,
            MemorySegment x,
            MemorySegment y,
            float @Nullable [] gamma,
            float @Nullable [] beta,
            float[] mean,
            float[] variance,
            double eps) {
        if (Memory.isArray(x) && Memory.isArray(y)) {
            inference(
                    shape,
                    threads,
                    Memory.array(x),
                    Memory.start(x),
                    Memory.array(y),
                    Memory.start(y),
                    gamma,
                    beta,
                    mean,
                    variance,
                    eps);
        } else {
            inference(shape, threadsFor(x, y, y), x, 0, y, 0, gamma, beta, mean, variance, eps);
        }
    }

    @Override
    public void inference(
            BatchShape shape,
            float[] x,
            float[] y,
            float @Nullable [] gamma,
            float @Nullable [] beta,
            float[] mean,
            float[] variance,
            double eps) {
        inference(shape, threads, x, 0, y, 0, gamma, beta, mean, variance, eps);
    }

    private void inference(
            BatchShape shape,
            int most,
            Object x,
            long xStart,
            Object y,
            long yStart,
            float @Nullable [] gamma,
            float @Nullable [] beta,
            float[] mean,
            float[] variance,
            double eps) {
        Execution execution = begin(shape, most, x, xStart);
        try {
            execution.writeTo(y, yStart);
            execution.inference(gamma, beta, mean, variance, eps);
        } finally {
            Executions.giveBack(execution);
        }
    }

    @Override
    public void backward(
            BatchShape shape,
            MemorySegment x,
            MemorySegment dy,
            MemorySegment dx,
            float @Nullable [] gamma,
            BatchStatistics statistics,
            boolean throughStatistics,
            float[] dgamma,
            float[] dbeta) {
        if (Memory.isArray(x) && Memory.isArray(dy) && Memory.isArray(dx)) {
            backward(
                    shape,
                    threads,
                    Memory.array(x),
                    Memory.start(x),
                    Memory.array(dy),
                    Memory.start(dy),
                    Memory.array(dx),
                    Memory.start(dx),
                    gamma,
                    statistics,
                    throughStatistics,
                    dgamma,
                    dbeta);
        } else {
            backward(
                    shape,
                    threadsFor(x, dy, dx),
                    x,
                    0,
                    dy,
                    0,
                    dx,
                    0,
                    gamma,
                    statistics,
                    throughStatistics,
                    dgamma,
                    dbeta);
        }
    }

    @Override
    public void backward(
            BatchShape shape,
            float[] x,
            float[] dy,
            float[] dx,
            float @Nullable [] gamma,
            BatchStatistics statistics,
            boolean throughStatistics,
            float[] dgamma,
            float[] dbeta) {
        backward(shape, threads, x, 0, dy, 0, dx, 0, gamma, statistics, throughStatistics, dgamma, dbeta);
    }

    private void backward(
            BatchShape shape,
            int most,
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            Object dx,
            long dxStart,
            float @Nullable [] gamma,
            BatchStatistics statistics,
            boolean throughStatistics,
            float[] dgamma,
            float[] dbeta) {
        Execution execution = begin(shape, most, x, xStart);
        try {
            execution.readAlso(dy, dyStart);
            execution.writeTo(dx, dxStart);
            execution.backward(gamma, statistics, throughStatistics, dgamma, dbeta);
        } finally {
            Executions.giveBack(execution);
        }
    }

    private Execution begin(BatchShape shape, int most, Object x, long xStart) {
        Blocks cut = blocks;
        if (!cut.shape.equals(shape)) {
            cut = Blocks.of(shape);
            blocks = cut;
        }
        Execution execution = Executions.take();
        execution.begin(kernels, cut, shape.elements() < ALONE_BELOW ? 1 : most, x, xStart);
        return execution;
    }

    /** Segments that only the caller may touch are left to it. */
    private int threadsFor(MemorySegment a, MemorySegment b, MemorySegment c) {
        Thread stranger = WorkerPool.STRANGER;
        return a.isAccessibleBy(stranger) && b.isAccessibleBy(stranger) && c.isAccessibleBy(stranger) ? threads : 1;
    }
}
