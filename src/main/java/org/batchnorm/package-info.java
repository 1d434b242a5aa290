/**
 * Batch normalization (Ioffe &amp; Szegedy, 2015) with PyTorch's conventions: the layer
 * {@link org.batchnorm.BatchNorm}, its configuration and the shape of its data. The work itself is done by a backend,
 * see {@link org.batchnorm.spi}.
 */
@NullMarked
package org.batchnorm;

import org.jspecify.annotations.NullMarked;
