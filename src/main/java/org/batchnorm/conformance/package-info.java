/**
 * What every backend must compute, and how nearly: the double-precision {@link org.batchnorm.conformance.Reference},
 * cases stored in files, and the check of a backend against them. Public, so that a backend of another project can be
 * held to the same bar.
 */
@NullMarked
package org.batchnorm.conformance;

import org.jspecify.annotations.NullMarked;
