/**
 * Other libraries' batch normalization, measured for comparison. Each peer is a module of its own under
 * {@code benchmarks/peers} and runs in a process of its own, because native libraries bring their own thread pools and
 * disturb each other (and us): {@link org.batchnorm.bench.peers.PeerProcess} starts
 * {@link org.batchnorm.bench.peers.PeerServer} with the peer's class path, and the two exchange one JSON object a line.
 */
@NullMarked
package org.batchnorm.bench.peers;

import org.jspecify.annotations.NullMarked;
