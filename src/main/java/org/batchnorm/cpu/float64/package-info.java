/**
 * The engine for batches of FLOAT64, the same for both backends. It takes the blocks of {@code cut} and the threads of
 * {@code pass}, but nothing of the float32 kernels: here rows of columns and runs of positions are both a series of
 * <b>pieces</b>, copied into a thread's arrays, two at once; the values in the same place of all pieces, a <b>lane</b>,
 * belong to one feature. So each loop stands once, and plain, for the compiler to make vector code of.
 *
 * <p>Sums are compensated: each is an unevaluated pair, {@code high + low}. So is the mean; the squares and products
 * are summed about it in a pass of their own, which no offset of x or dy can spoil.
 */
@NullMarked
package org.batchnorm.cpu.float64;

import org.jspecify.annotations.NullMarked;
