/** The command line: {@link org.batchnorm.bench.Main} and its commands. What they run has packages of its own. */
@NullMarked
package org.batchnorm.bench;

import org.jspecify.annotations.NullMarked;
