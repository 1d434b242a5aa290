package org.batchnorm.bench.peers;

import java.util.List;

/**
 * One variant of a peer, measured or refused.
 *
 * @param variant its name
 * @param detail what the library tells about the code that ran; empty if nothing
 * @param nanoseconds samples, nanoseconds per call; empty if it failed
 * @param busyThreads processor time by wall time while the samples were taken: how many threads really worked
 * @param failure why it was not measured; empty if it was
 */
public record PeerMeasurement(
        String variant, String detail, List<Double> nanoseconds, double busyThreads, String failure) {

    /** Copies the samples. */
    public PeerMeasurement {
        nanoseconds = List.copyOf(nanoseconds);
    }

    /** Whether it was measured. */
    public boolean measured() {
        return failure.isEmpty();
    }
}
