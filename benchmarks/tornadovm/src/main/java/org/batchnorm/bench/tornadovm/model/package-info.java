/**
 * What the kernels must take on several GPUs, reckoned from their code and the GPUs' data; nothing here is measured.
 * {@link org.batchnorm.bench.tornadovm.model.KernelTime} has the formula.
 */
@NullMarked
package org.batchnorm.bench.tornadovm.model;

import org.jspecify.annotations.NullMarked;
