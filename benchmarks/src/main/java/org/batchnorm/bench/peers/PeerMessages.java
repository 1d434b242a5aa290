package org.batchnorm.bench.peers;

import java.util.List;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;

/** What {@link PeerProcess} and {@link PeerServer} say to each other, as JSON, one object a line. */
final class PeerMessages {

    private PeerMessages() {}

    /**
     * The server's first line.
     *
     * @param library the peer's name
     * @param version its version
     * @param threads the threads that it says it uses
     * @param settings more about them
     */
    record Greeting(String library, String version, int threads, String settings) {}

    /**
     * A measurement that is asked for.
     *
     * @param operation what
     * @param shape on what
     * @param plan how long
     */
    record Request(Operation operation, BenchShape shape, Samples.Plan plan) {}

    /**
     * The answer.
     *
     * @param measurements one a variant; empty if the library cannot do the operation on the shape
     */
    record Reply(List<PeerMeasurement> measurements) {}
}
