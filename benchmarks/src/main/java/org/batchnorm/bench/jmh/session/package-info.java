/**
 * A run of the harness: which measurements are taken, in which order
 * ({@link org.batchnorm.bench.jmh.session.Schedule}), and their taking.
 */
@NullMarked
package org.batchnorm.bench.jmh.session;

import org.jspecify.annotations.NullMarked;
