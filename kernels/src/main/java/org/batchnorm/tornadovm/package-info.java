/**
 * Batch normalization on TornadoVM devices: {@link org.batchnorm.tornadovm.BatchNormTasks} adds it to a task graph of
 * the caller's, so that activations never leave the device. The device code is in
 * {@link org.batchnorm.tornadovm.kernels}; {@link org.batchnorm.tornadovm.Tiling} fits its grids to a shape and a
 * device.
 */
@NullMarked
package org.batchnorm.tornadovm;

import org.jspecify.annotations.NullMarked;
