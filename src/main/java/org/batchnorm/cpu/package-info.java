/**
 * The CPU backends: {@code vector} on the JDK's Vector API and {@code scalar} in plain loops. Batch norm is one
 * reduction and one elementwise map, with a merge of the sums between them. Follow x from
 * {@link org.batchnorm.cpu.CpuOperations}:
 *
 * <pre>
 *   operation   what is reduced, what the sums become, what is mapped      Forward, Backward, …
 *   pass        the passes over the blocks, their order, their threads     Pipeline, ReducePass, MergePass, MapPass
 *   cut         the blocks of a shape, and every threshold                 Cut, CutPolicy, Columns
 *   kernel      the loops over the values, once for each backend           Reduction, Elementwise
 * </pre>
 *
 * Both backends run the same passes over the same blocks on the same threads; they differ in the kernels alone. A
 * kernel's two files, {@code Vector…} and {@code Scalar…}, have the same methods in the same order.
 */
@NullMarked
package org.batchnorm.cpu;

import org.jspecify.annotations.NullMarked;
