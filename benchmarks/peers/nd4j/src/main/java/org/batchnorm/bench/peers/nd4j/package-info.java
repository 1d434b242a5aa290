/** One peer of the benchmarks. */
@NullMarked
package org.batchnorm.bench.peers.nd4j;

import org.jspecify.annotations.NullMarked;
