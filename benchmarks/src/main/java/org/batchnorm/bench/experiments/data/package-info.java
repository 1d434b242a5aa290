/**
 * Labelled images to train on: the digits that ship with the project, and IDX files (MNIST, Fashion-MNIST and the
 * like). Readers trust no length that a file states: nothing is allocated for data before the file is known to have
 * them.
 */
@NullMarked
package org.batchnorm.bench.experiments.data;

import org.jspecify.annotations.NullMarked;
