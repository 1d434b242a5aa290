/** An example: a large batch in micro-batches, with one statistic over all of them. */
@NullMarked
package org.batchnorm.bench.experiments.accumulated;

import org.jspecify.annotations.NullMarked;
