/**
 * Training experiments. {@link org.batchnorm.bench.experiments.train.Comparison} trains several
 * {@link org.batchnorm.bench.experiments.train.Trainee}s in step on the same batches and records a
 * {@link org.batchnorm.bench.experiments.train.Curve} of each, which
 * {@link org.batchnorm.bench.experiments.train.ComparisonTable} and
 * {@link org.batchnorm.bench.experiments.train.CurveFiles} present.
 */
@NullMarked
package org.batchnorm.bench.experiments.train;

import org.jspecify.annotations.NullMarked;
