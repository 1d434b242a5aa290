/**
 * Other libraries' batch normalization, measured for comparison. Each {@link org.batchnorm.bench.peers.Peer} is a
 * module of its own under {@code benchmarks/peers}, and runs in processes of its own, because native libraries bring
 * their own thread pools and disturb each other (and us).
 */
@NullMarked
package org.batchnorm.bench.peers;

import org.jspecify.annotations.NullMarked;
