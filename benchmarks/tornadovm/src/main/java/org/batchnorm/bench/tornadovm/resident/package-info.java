/**
 * A network that trains wholly on the device: fully connected layers, activations, batch norm, the loss and the
 * optimizer as tasks of one graph, one {@code execute()} a step. It shows how batch norm's task-graph pieces are used
 * in somebody's own graph; the kernels around them are simple and no part of the product.
 *
 * <p>{@link org.batchnorm.bench.tornadovm.resident.ResidentNetwork} is where to begin.
 */
@NullMarked
package org.batchnorm.bench.tornadovm.resident;

import org.jspecify.annotations.NullMarked;
