/**
 * What a backend provides and how one is chosen. A backend is a {@link org.batchnorm.spi.BatchNormBackend}, found
 * through {@link java.util.ServiceLoader}; it says whether it is usable and, if not, why not; opened, it runs the
 * operations of {@link org.batchnorm.spi.BatchNormOperations} on data in host memory.
 * {@link org.batchnorm.spi.Backends} chooses one.
 */
@NullMarked
package org.batchnorm.spi;

import org.jspecify.annotations.NullMarked;
