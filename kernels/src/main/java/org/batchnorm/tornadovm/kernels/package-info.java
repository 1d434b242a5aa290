/**
 * The device code: static {@link uk.ac.manchester.tornado.api.KernelContext} methods that TornadoVM compiles to OpenCL C, PTX or CUDA C, one file per operation.
 *
 * <h2>One set of kernels for every layout</h2>
 *
 * A kernel sees the batch as {@code columns} × {@code rows}. {@link org.batchnorm.tornadovm.kernels.Tiles#address} is the only place where the layouts differ:
 *
 * <table>
 *   <caption>What a column and a row are</caption>
 *   <tr><th>data</th><th>columns</th><th>span</th><th>spatial</th><th>rows</th></tr>
 *   <tr><td>(N, C), and channels-last (N, S, C)</td><td>C</td><td>1</td><td>1</td><td>N · S</td></tr>
 *   <tr><td>channels-first (N, C, S), large S</td><td>C</td><td>1</td><td>S</td><td>N · S</td></tr>
 *   <tr><td>channels-first (N, C, S), small S</td><td>C · S</td><td>S</td><td>1</td><td>N</td></tr>
 * </table>
 *
 * {@code span} adjacent columns make one feature. A work-group is a tile of {@code tileColumns} × {@code tileRows} work-items that walks down the rows; neighbouring
 * work-items stand on neighbouring addresses: on neighbouring columns where these are contiguous, on neighbouring spatial positions ({@code tileColumns = 1}) where
 * those are.
 *
 * <h2>Parameters that every kernel has</h2>
 *
 * {@code samples} (in, (1)) is N of this execution. The scalars are compiled into the kernel as constants: divisions by them become multiplications, and what they
 * exclude is not in the machine code. They never vary between executions of one graph.
 *
 * <h2>What the backends must give</h2>
 *
 * float64 (a few operations per eight values and all per-feature arithmetic), work-group barriers and local memory; neither atomics nor sub-group operations. NaN and
 * infinity must keep their meaning and sums their order, so OpenCL must not compile with TornadoVM's default {@code -cl-fast-relaxed-math}; PTX and CUDA as TornadoVM
 * sets them comply. Multiplications and additions may be fused freely.
 */
@NullMarked
package org.batchnorm.tornadovm.kernels;

import org.jspecify.annotations.NullMarked;
