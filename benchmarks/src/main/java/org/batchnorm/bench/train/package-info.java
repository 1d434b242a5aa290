/**
 * Training experiments. {@link org.batchnorm.bench.train.Comparison} trains several
 * {@link org.batchnorm.bench.train.Trainee}s in step on the same batches and records a
 * {@link org.batchnorm.bench.train.Curve} of each, which {@link org.batchnorm.bench.train.ComparisonTable} and
 * {@link org.batchnorm.bench.train.CurveFiles} present.
 */
@NullMarked
package org.batchnorm.bench.train;

import org.jspecify.annotations.NullMarked;
