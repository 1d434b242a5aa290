/**
 * Training: the small networks, their data, {@code train} and the papers' experiments. Nothing here measures a kernel;
 * that is {@link org.batchnorm.bench.jmh}.
 */
package org.batchnorm.bench.experiments;
