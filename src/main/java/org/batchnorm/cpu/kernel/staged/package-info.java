/** Kernels around those of a backend, for tensors that these cannot take as they lie in memory. */
@NullMarked
package org.batchnorm.cpu.kernel.staged;

import org.jspecify.annotations.NullMarked;
