/** One peer of the benchmarks. */
@NullMarked
package org.batchnorm.bench.peers.onednn;

import org.jspecify.annotations.NullMarked;
