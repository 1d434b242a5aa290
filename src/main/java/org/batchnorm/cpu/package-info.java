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
 * kernel has two files, {@code Vector…} and {@code Scalar…}. They implement one interface, whose methods they have in
 * the same order; where a kernel's work is not worth vectors, the backend vector uses the scalar one.
 *
 * <p>Batches of FLOAT64 have an engine of their own, {@link org.batchnorm.cpu.float64}, on the same blocks and threads;
 * what follows is not about it.
 *
 * <p>A few words mean the same everywhere in here. A <b>feature</b> is one of the C channels. Data with few positions
 * are seen as the <b>rows</b> and <b>columns</b> of a matrix, other data as <b>runs</b>: the positions of one channel
 * of one image. A <b>shift</b> is a value near a feature's mean that is subtracted before anything is added up, and a
 * <b>partial sum</b> is the sum over one part of the rows or runs. A feature is <b>suspect</b> where its sums may have
 * lost too many digits, and <b>wide</b> where float32 does not hold what the map needs of it.
 */
@NullMarked
package org.batchnorm.cpu;

import org.jspecify.annotations.NullMarked;
