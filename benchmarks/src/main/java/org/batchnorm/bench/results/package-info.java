/**
 * Measurements as they are stored, read, compared and shown. The schema is
 * {@link org.batchnorm.bench.results.Measurement}, one JSON object a line; every table and picture is made from such
 * files.
 */
@NullMarked
package org.batchnorm.bench.results;

import org.jspecify.annotations.NullMarked;
