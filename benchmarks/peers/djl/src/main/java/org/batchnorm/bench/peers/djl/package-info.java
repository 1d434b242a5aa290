/** One peer of the benchmarks. */
@NullMarked
package org.batchnorm.bench.peers.djl;

import org.jspecify.annotations.NullMarked;
