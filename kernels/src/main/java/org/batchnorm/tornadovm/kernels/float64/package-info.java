/**
 * The kernels of layers of FLOAT64, whose batches, parameters and statistics are float64: two stages for everything, in
 * plain loops of a value at a time. The views, tiles and parameters are those of
 * {@link org.batchnorm.tornadovm.kernels}, the arithmetic that of the CPU's engine for float64.
 *
 * <pre>
 *   x     ─ sums ─ [partials] ─ mergeSums ─ [moments: the mean]
 *   x     ─ sums ─ [partials] ─ mergeSums ─ [moments: m2] ─ mergedStatistics ─ [statistics, runningStatistics]
 *   x     ─ transform ─ y
 *   dy    ─ sums ─ [partials] ─ mergeSums ─ [sums: dbeta]
 *   x, dy ─ sums ─ [partials] ─ mergeSums ─ [sums: dgamma] ─ mergedGradients ─ [gradients, terms]
 *   x, dy ─ inputGradient ─ dx
 * </pre>
 *
 * A sum is an unevaluated pair of doubles ({@link org.batchnorm.tornadovm.kernels.float64.Pairs}), and so is the mean;
 * squares and products are summed about it by a kernel of their own, which no offset of x or dy can spoil. Values whose
 * squares float64 would not hold are taken in larger units ({@link org.batchnorm.tornadovm.kernels.float64.Units}).
 */
@NullMarked
package org.batchnorm.tornadovm.kernels.float64;

import org.jspecify.annotations.NullMarked;
