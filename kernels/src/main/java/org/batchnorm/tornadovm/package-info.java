/**
 * Batch normalization on TornadoVM devices: {@link org.batchnorm.tornadovm.BatchNormTasks} adds it to a task graph of
 * the caller's, so that activations never leave the device.
 *
 * <pre>
 *   BatchNormTasks ── on(graph, grids) ──▶ Pieces ──▶ KernelCalls ──▶ kernels
 *     │   │                                 what an     which arrays    the device
 *     │   └─ LayerState: the arrays         operation   and which       code
 *     └───── LayerPlan: name, shape,        is made of  grid
 *              Tiling of it on the device
 * </pre>
 */
@NullMarked
package org.batchnorm.tornadovm;

import org.jspecify.annotations.NullMarked;
