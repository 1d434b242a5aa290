package org.batchnorm;

import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;

/**
 * Operations of a backend whose training forward takes statistics of other values than those of the batch as a whole.
 * The stages are the backend's.
 */
interface TrainingOperations extends BatchNormOperations {

    /** Who does the work. */
    BatchNormOperations backend();

    /** Forward with the statistics of the batch as a whole, as in inference; so will be its backward. */
    void forwardAlone(Tensors tensors, Normalization normalization);

    /** Refuses a batch if it would have statistics of one value, as far as its shape tells. */
    void requireNotOneValuePerFeature(BatchShape shape);

    @Override
    default void collectStatistics(Tensors tensors, Moments moments) {
        backend().collectStatistics(tensors, moments);
    }

    @Override
    default void transform(Tensors tensors, Normalization normalization) {
        backend().transform(tensors, normalization);
    }

    @Override
    default void reduceGradients(Tensors tensors, Normalization normalization, GradientSums sums) {
        backend().reduceGradients(tensors, normalization, sums);
    }

    @Override
    default void inputGradient(Tensors tensors, Normalization normalization, GradientSums sums) {
        backend().inputGradient(tensors, normalization, sums);
    }

    @Override
    default void requireTaken(Tensors tensors) {
        backend().requireTaken(tensors);
    }

    @Override
    default boolean prefers(BatchShape shape) {
        return backend().prefers(shape);
    }

    @Override
    default boolean doesActivations() {
        return backend().doesActivations();
    }

    @Override
    default boolean doesBackwardFromOutput() {
        return backend().doesBackwardFromOutput();
    }

    @Override
    default String whyNo16Bit() {
        return backend().whyNo16Bit();
    }

    @Override
    default boolean takes16Bit() {
        return backend().takes16Bit();
    }

    @Override
    default boolean takesFloat64() {
        return backend().takesFloat64();
    }

    @Override
    default void close() {
        backend().close();
    }
}
