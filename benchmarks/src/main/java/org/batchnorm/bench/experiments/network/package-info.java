/**
 * The small networks of the training experiments: fully connected layers, activations, loss and optimizers in plain
 * loops on {@code float[]} matrices, row by row. They are here to show batch normalization at work, which
 * {@link org.batchnorm.bench.experiments.network.BatchNormLayer} takes from the library; they are not a framework.
 *
 * <p>All sums run in one fixed order on one thread, so that the same seed gives the same bits.
 */
@NullMarked
package org.batchnorm.bench.experiments.network;

import org.jspecify.annotations.NullMarked;
