package org.batchnorm.spi;

import org.batchnorm.data.BatchShape;

/**
 * The operations of an opened backend, which answers for batches without values in its place: nothing is written, their
 * moments and sums are those of no values.
 */
final class EmptyBatches implements BatchNormOperations {
    private final BatchNormOperations backend;

    /** Operations that ask {@code backend} for batches that have values. */
    EmptyBatches(BatchNormOperations backend) {
        this.backend = backend;
    }

    @Override
    public void collectStatistics(Tensors tensors, Moments moments) {
        if (isEmpty(tensors)) {
            moments.clear();
        } else {
            backend.collectStatistics(tensors, moments);
        }
    }

    @Override
    public void transform(Tensors tensors, Normalization normalization) {
        if (!isEmpty(tensors)) {
            backend.transform(tensors, normalization);
        }
    }

    @Override
    public void reduceGradients(Tensors tensors, Normalization normalization, GradientSums sums) {
        if (isEmpty(tensors)) {
            sums.clear();
        } else {
            backend.reduceGradients(tensors, normalization, sums);
        }
    }

    @Override
    public void inputGradient(Tensors tensors, Normalization normalization, GradientSums sums) {
        if (!isEmpty(tensors)) {
            backend.inputGradient(tensors, normalization, sums);
        }
    }

    @Override
    public void forward(Tensors tensors, Normalization normalization) {
        if (!isEmpty(tensors)) {
            backend.forward(tensors, normalization);
        }
    }

    @Override
    public void backward(Tensors tensors, Normalization normalization, GradientSums sums) {
        if (isEmpty(tensors)) {
            sums.clear();
        } else {
            backend.backward(tensors, normalization, sums);
        }
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
    public void close() {
        backend.close();
    }

    private static boolean isEmpty(Tensors tensors) {
        return tensors.shape().elements() == 0;
    }
}
