package org.batchnorm.cpu.float64;

import java.util.concurrent.atomic.AtomicReference;
import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * The operations on batches of FLOAT64.
 *
 * <pre>
 *   collectStatistics:  Σ x ─▶ Σ (x − mean)²
 *   forward:            Σ x ─▶ Σ (x − mean)² ─▶ y
 *   reduceGradients:    Σ dy ─▶ Σ (dy − mean of dy) · x̂
 *   backward:           Σ dy ─▶ Σ (dy − mean of dy) · x̂ ─▶ dx
 * </pre>
 */
public final class Float64Operations implements BatchNormOperations {
    private final int threads;
    private final AtomicReference<@Nullable Job> spare = new AtomicReference<>();
    private volatile Cut newest = Cut.NONE;

    /**
     * For so many threads.
     *
     * @param threads those on offer, the caller's among them
     */
    public Float64Operations(int threads) {
        this.threads = threads;
    }

    @Override
    public void collectStatistics(Tensors tensors, Moments moments) {
        try (Job job = take(tensors)) {
            job.collectStatistics(moments);
        }
    }

    @Override
    public void transform(Tensors tensors, Normalization normalization) {
        try (Job job = take(tensors)) {
            job.transform(normalization);
        }
    }

    @Override
    public void forward(Tensors tensors, Normalization normalization) {
        try (Job job = take(tensors)) {
            job.forward(normalization);
        }
    }

    @Override
    public void reduceGradients(Tensors tensors, Normalization normalization, GradientSums sums) {
        try (Job job = take(tensors)) {
            job.reduceGradients(normalization, sums);
        }
    }

    @Override
    public void inputGradient(Tensors tensors, Normalization normalization, GradientSums sums) {
        try (Job job = take(tensors)) {
            job.inputGradient(normalization, sums);
        }
    }

    @Override
    public void backward(Tensors tensors, Normalization normalization, GradientSums sums) {
        try (Job job = take(tensors)) {
            job.backward(normalization, sums);
        }
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
    public boolean takesFloat64() {
        return true;
    }

    @Override
    public void close() {
        spare.set(null);
    }

    private Job take(Tensors tensors) {
        Cut cut = newest;
        if (!cut.shape.equals(tensors.shape())) {
            cut = Cut.of(tensors.shape());
            newest = cut;
        }
        Job kept = spare.getAndSet(null);
        return (kept != null ? kept : new Job(spare)).of(tensors, cut, threads);
    }
}
