/**
 * The CPU backends: {@code vector} on the JDK's Vector API and {@code scalar} in plain loops. Both run the same passes
 * over the same blocks ({@link org.batchnorm.cpu.CpuOperations}, {@link org.batchnorm.cpu.Blocks}) on the same threads
 * ({@link org.batchnorm.cpu.WorkerPool}); they differ in the kernels alone. Each kernel stands in a file of its own,
 * once as {@code Vector…} and once as {@code Scalar…}.
 */
@NullMarked
package org.batchnorm.cpu;

import org.jspecify.annotations.NullMarked;
