/** Batch normalization of this library in a training loop of DJL's: an example to copy from. */
@NullMarked
package org.batchnorm.bench.experiments.djl;

import org.jspecify.annotations.NullMarked;
