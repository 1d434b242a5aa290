/** What the commands share for their output: progress shown while a task runs. */
@NullMarked
package org.batchnorm.bench.output;

import org.jspecify.annotations.NullMarked;
