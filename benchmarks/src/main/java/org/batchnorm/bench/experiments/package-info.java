/**
 * The papers' claims as experiments. An {@link org.batchnorm.bench.experiments.Experiment} is a list of variants, what
 * one run of a variant with one seed records, and the page that its numbers make; a new one is one class more in
 * {@link org.batchnorm.bench.experiments.Experiments}. {@link org.batchnorm.bench.experiments.ExperimentRun} does the
 * rest: the runs that are missing, the files, the progress.
 */
@NullMarked
package org.batchnorm.bench.experiments;

import org.jspecify.annotations.NullMarked;
