/**
 * The device code: static {@link uk.ac.manchester.tornado.api.KernelContext} methods that TornadoVM compiles to OpenCL
 * C, PTX or CUDA C, one file per operation.
 *
 * <h2>One set of kernels for every layout</h2>
 *
 * A kernel sees the batch as {@code columns} × {@code rows}, of which it learns by a
 * {@link org.batchnorm.tornadovm.kernels.View}; {@link org.batchnorm.tornadovm.kernels.Tiles#address} is the only place
 * where the layouts differ. A work-group is a {@link org.batchnorm.tornadovm.kernels.Tile} of {@code tileColumns} ×
 * {@code tileRows} work-items that walks down the rows; neighbouring work-items stand on neighbouring addresses: on
 * neighbouring columns where these are contiguous, on neighbouring spatial positions ({@code tileColumns = 1}) where
 * those are.
 *
 * <h2>Parameters that kernels share</h2>
 *
 * Arrays of the batch are float32 in the shape's layout, {@code columns · rows} values of which the first N samples
 * count. For 16-bit types a kernel is copied, and in the copy each read widens and each write rounds. So a kernel reads
 * and writes the arrays that are its parameters itself, and puts none of them into a variable. Bytes are told of
 * float32. The scalars are compiled into the kernel as constants: divisions by them become multiplications, and what
 * they exclude is not in the machine code. They never vary between executions of one graph; N does, and travels in an
 * array.
 *
 * <table>
 *   <caption>Parameters</caption>
 *   <tr><th>name</th><th>what</th></tr>
 *   <tr><td>context</td><td>where a work-item stands in the grid; the kernels' 'grid' is the number of work-items,
 *     'local' those of a work-group</td></tr>
 *   <tr><td>samples</td><td>in and out, (2): N of this execution, and the count of
 *     {@link org.batchnorm.tornadovm.kernels.Tiles#countRun}</td></tr>
 *   <tr><td>view</td><td>a {@link org.batchnorm.tornadovm.kernels.View}: columns, span, spatial, rows of a
 *     sample</td></tr>
 *   <tr><td>tile</td><td>a {@link org.batchnorm.tornadovm.kernels.Tile}: tileColumns and tileRows, whole features; and
 *     groups, the work-groups that share the rows of a tile, the second dimension of the grid</td></tr>
 *   <tr><td>eps</td><td>added to the variance</td></tr>
 * </table>
 *
 * <h2>What the backends must give</h2>
 *
 * Where a kernel says no less: float64, work-group barriers and local memory; neither atomics nor sub-group operations,
 * which OpenCL lacks or TornadoVM leaves out there. NaN and infinity must keep their meaning and sums their order, so
 * OpenCL must not compile with TornadoVM's default {@code -cl-fast-relaxed-math}; PTX and CUDA as TornadoVM sets them
 * comply. Multiplications and additions may be fused freely. Addresses are {@code int}s: at most
 * {@value org.batchnorm.tornadovm.BatchNormTasks#MAX_ELEMENTS} values.
 */
@NullMarked
package org.batchnorm.tornadovm.kernels;

import org.jspecify.annotations.NullMarked;
