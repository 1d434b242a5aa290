/** One peer of the benchmarks. */
@NullMarked
package org.batchnorm.bench.peers.onnxruntime;

import org.jspecify.annotations.NullMarked;
