/** Pictures of stored measurements. */
@NullMarked
package org.batchnorm.bench.output;

import org.jspecify.annotations.NullMarked;
