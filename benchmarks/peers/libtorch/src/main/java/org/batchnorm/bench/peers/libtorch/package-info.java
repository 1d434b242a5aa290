/** One peer of the benchmarks. */
@NullMarked
package org.batchnorm.bench.peers.libtorch;

import org.jspecify.annotations.NullMarked;
