package org.batchnorm.spi;

import org.batchnorm.data.BatchShape;

/**
 * The operations of an opened backend. It answers in the backend's place for batches without values: nothing is
 * written, their moments and sums are those of no values. And it refuses what the backend does not take.
 */
final class GuardedOperations implements BatchNormOperations {
    private final String name;
    private final BatchNormOperations backend;

    /** Operations that ask {@code backend}, of that name, for batches that have values. */
    GuardedOperations(String name, BatchNormOperations backend) {
        this.name = name;
        this.backend = backend;
    }

    @Override
    public void collectStatistics(Tensors tensors, Moments moments) {
        if (checkedIsEmpty(tensors)) {
            moments.clear();
        } else {
            moments.clearLow();
            backend.collectStatistics(tensors, moments);
        }
    }

    @Override
    public void transform(Tensors tensors, Normalization normalization) {
        if (!checkedIsEmpty(tensors)) {
            backend.transform(tensors, normalization);
        }
    }

    @Override
    public void reduceGradients(Tensors tensors, Normalization normalization, GradientSums sums) {
        if (checkedIsEmpty(tensors)) {
            sums.clear();
        } else {
            sums.clearLow();
            backend.reduceGradients(tensors, normalization, sums);
        }
    }

    @Override
    public void inputGradient(Tensors tensors, Normalization normalization, GradientSums sums) {
        if (!checkedIsEmpty(tensors)) {
            backend.inputGradient(tensors, normalization, sums);
        }
    }

    @Override
    public void forward(Tensors tensors, Normalization normalization) {
        if (!checkedIsEmpty(tensors)) {
            backend.forward(tensors, normalization);
        }
    }

    @Override
    public void backward(Tensors tensors, Normalization normalization, GradientSums sums) {
        if (checkedIsEmpty(tensors)) {
            sums.clear();
        } else {
            sums.clearLow();
            backend.backward(tensors, normalization, sums);
        }
    }

    @Override
    public void requireTaken(Tensors tensors) {
        checkedIsEmpty(tensors);
    }

    @Override
    public boolean prefers(BatchShape shape) {
        return backend.prefers(shape);
    }

    @Override
    public boolean doesActivations() {
        return backend.doesActivations();
    }

    @Override
    public boolean doesBackwardFromOutput() {
        return backend.doesBackwardFromOutput();
    }

    @Override
    public boolean takes16Bit() {
        return backend.takes16Bit();
    }

    @Override
    public String whyNo16Bit() {
        return backend.whyNo16Bit();
    }

    @Override
    public boolean takesFloat64() {
        return backend.takesFloat64();
    }

    @Override
    public void close() {
        backend.close();
    }

    /** Refuses what the backend does not take, and tells whether there is no value. */
    private boolean checkedIsEmpty(Tensors tensors) {
        tensors.requireTakenBy(backend, name);
        if (tensors.shape().elements() == 0) {
            return true;
        }
        backend.requireTaken(tensors);
        return false;
    }
}
