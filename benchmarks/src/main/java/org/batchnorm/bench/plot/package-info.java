/** Pictures of stored measurements. */
@NullMarked
package org.batchnorm.bench.plot;

import org.jspecify.annotations.NullMarked;
