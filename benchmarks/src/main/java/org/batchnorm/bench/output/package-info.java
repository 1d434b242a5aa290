/**
 * What the commands share for their output: files that are written whole or not at all, and progress shown while a task
 * runs.
 */
@NullMarked
package org.batchnorm.bench.output;

import org.jspecify.annotations.NullMarked;
