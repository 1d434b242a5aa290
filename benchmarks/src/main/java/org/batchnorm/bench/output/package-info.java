/** What tables ({@link org.batchnorm.bench.output.Columns}) and pictures are made with. */
@NullMarked
package org.batchnorm.bench.output;

import org.jspecify.annotations.NullMarked;
