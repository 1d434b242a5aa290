/** The command line: {@link org.batchnorm.bench.cli.Main} and its commands. What they run has packages of its own. */
@NullMarked
package org.batchnorm.bench.cli;

import org.jspecify.annotations.NullMarked;
