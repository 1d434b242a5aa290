/** An example: in-place training, which keeps half as much for the backward. */
@NullMarked
package org.batchnorm.bench.experiments.inplace;

import org.jspecify.annotations.NullMarked;
