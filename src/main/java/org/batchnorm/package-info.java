/**
 * Batch normalization (Ioffe &amp; Szegedy, 2015) with PyTorch's conventions: the layer
 * {@link org.batchnorm.BatchNorm}, and beneath it {@link org.batchnorm.BatchNormFunction}, which keeps nothing. Their
 * data are batches, see {@link org.batchnorm.data}; the work is done by a backend, see {@link org.batchnorm.spi}.
 */
@NullMarked
package org.batchnorm;

import org.jspecify.annotations.NullMarked;
