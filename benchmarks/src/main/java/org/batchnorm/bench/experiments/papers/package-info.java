/**
 * The papers' claims as experiments. An {@link org.batchnorm.bench.experiments.papers.Experiment} is a list of
 * variants, what one run of a variant with one seed records, and the page that its numbers make; a new one is one class
 * more in {@link org.batchnorm.bench.experiments.papers.Experiments}.
 * {@link org.batchnorm.bench.experiments.papers.ExperimentRun} does the rest: the runs that are missing, the files, the
 * progress.
 */
@NullMarked
package org.batchnorm.bench.experiments.papers;

import org.jspecify.annotations.NullMarked;
