/**
 * What is measured, and how: the operations, the grid of shapes, the same inputs for everybody, the check of a result
 * against double precision, and the sampling of times.
 */
@NullMarked
package org.batchnorm.bench.workload;

import org.jspecify.annotations.NullMarked;
