package org.batchnorm.cpu;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.staged.StagedKernels;
import org.batchnorm.cpu.operation.Operation;
import org.batchnorm.cpu.pass.Pipeline;
import org.batchnorm.cpu.pass.Pipelines;
import org.batchnorm.cpu.pass.WorkerPool;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * The operations of both CPU backends, which differ in their kernels alone. Each takes a {@link Pipeline}, hands it the
 * batch and leaves the work to it.
 */
final class CpuOperations implements BatchNormOperations {
    private final Kernels kernels;
    private final int threads;
    private volatile Cut newest = Cut.NONE;

    /** Held while open; so the last one that is closed, or forgotten, takes the scratch with it. */
    private volatile @Nullable Pipelines held = Pipelines.shared();

    CpuOperations(Kernels kernels, int threads) {
        this.kernels = new StagedKernels(kernels);
        this.threads = threads;
    }

    @Override
    public void collectStatistics(Tensors tensors, Moments moments) {
        Cut cut = cut(tensors);
        Pipeline pipeline = pipelines().take();
        run(pipeline, pipeline.collectStatistics.of(kernels, tensors, moments, cut), cut);
    }

    @Override
    public void transform(Tensors tensors, Normalization normalization) {
        Cut cut = cut(tensors);
        Pipeline pipeline = pipelines().take();
        run(pipeline, pipeline.transform.of(kernels, tensors, normalization, cut), cut);
    }

    @Override
    public void forward(Tensors tensors, Normalization normalization) {
        Cut cut = cut(tensors);
        Pipeline pipeline = pipelines().take();
        run(pipeline, pipeline.forward.of(kernels, tensors, normalization, cut), cut);
    }

    @Override
    public void reduceGradients(Tensors tensors, Normalization normalization, GradientSums sums) {
        Cut cut = cut(tensors);
        Pipeline pipeline = pipelines().take();
        run(pipeline, pipeline.reduceGradients.of(kernels, tensors, normalization, sums, cut), cut);
    }

    @Override
    public void inputGradient(Tensors tensors, Normalization normalization, GradientSums sums) {
        Cut cut = cut(tensors);
        Pipeline pipeline = pipelines().take();
        run(pipeline, pipeline.inputGradient.of(kernels, tensors, normalization, sums, cut), cut);
    }

    @Override
    public void backward(Tensors tensors, Normalization normalization, GradientSums sums) {
        Cut cut = cut(tensors);
        Pipeline pipeline = pipelines().take();
        run(pipeline, pipeline.backward.of(kernels, tensors, normalization, sums, cut), cut);
    }

    @Override
    public boolean doesActivations() {
        return true;
    }

    @Override
    public boolean doesBackwardFromOutput() {
        return true;
    }

    @Override
    public boolean takes16Bit() {
        return true;
    }

    @Override
    public void close() {
        held = null;
    }

    private Pipelines pipelines() {
        Pipelines pipelines = held;
        // An operation that a close overtakes ends well.
        return pipelines != null ? pipelines : Pipelines.shared();
    }

    private void run(Pipeline pipeline, Operation operation, Cut cut) {
        boolean shared = operation.isAccessibleBy(WorkerPool.STRANGER);
        try {
            // Tensors that only the caller may touch are left to it.
            pipeline.run(operation, cut, shared ? CutPolicy.threads(cut, threads) : 1);
        } finally {
            pipelines().giveBack(pipeline);
        }
    }

    private Cut cut(Tensors tensors) {
        BatchShape shape = tensors.shape();
        Cut cut = newest;
        if (!cut.shape.equals(shape)) {
            cut = Cut.of(shape);
            newest = cut;
        }
        return cut;
    }
}
