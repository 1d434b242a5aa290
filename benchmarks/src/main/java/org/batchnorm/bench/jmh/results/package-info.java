/**
 * Measurements as they are stored, read, compared and shown. The schema is
 * {@link org.batchnorm.bench.jmh.results.Measurement}, one JSON object a line; every table and picture is made from
 * such files.
 */
@NullMarked
package org.batchnorm.bench.jmh.results;

import org.jspecify.annotations.NullMarked;
