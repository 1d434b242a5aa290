/**
 * What every backend must compute, and with what error: the double-precision
 * {@link org.batchnorm.conformance.Reference}, cases stored in files, and a check of a backend against them. The
 * package is public, so that a backend of another project can be checked in the same way.
 */
@NullMarked
package org.batchnorm.conformance;

import org.jspecify.annotations.NullMarked;
