package org.batchnorm.bench.peers;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.ServiceLoader;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;
import org.batchnorm.bench.workload.WarmUp;

/**
 * The process of one peer: reads requests from standard input, checks the peer's result, times it and answers on
 * standard output.
 */
public final class PeerServer {

    /** A peer is to compute the same thing, not to be as accurate as we are. */
    private static final double TOLERANCE = 1e-3;

    /** Native code needs its memory touched and its threads started; what little Java there is, compiles soon. */
    private static final int WARMUP_WINDOW_MILLIS = 50;

    private final Peer peer;

    PeerServer(Peer peer) {
        this.peer = peer;
    }

    /**
     * Serves until standard input ends.
     *
     * @param args the number of threads
     */
    public static void main(String[] args) throws IOException {
        // Libraries print what they like; only our lines go to the standard output of the process.
        PrintStream replies = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
        System.setOut(System.err);
        Peer peer = ServiceLoader.load(Peer.class)
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("no peer on the class path"));
        Peer.Started started = peer.start(Integer.parseInt(args[0]));
        ObjectMapper json = new ObjectMapper();
        replies.println(json.writeValueAsString(
                new PeerMessages.Greeting(peer.name(), started.version(), started.threads(), started.settings())));
        PeerServer server = new PeerServer(peer);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            PeerMessages.Request request = json.readValue(line, PeerMessages.Request.class);
            replies.println(json.writeValueAsString(new PeerMessages.Reply(server.measure(request))));
        }
    }

    List<PeerMeasurement> measure(PeerMessages.Request request) {
        Operation operation = request.operation();
        Inputs inputs = Inputs.of(operation, request.shape());
        Expected expected = Expected.of(operation, request.shape(), inputs);
        List<PeerMeasurement> measurements = new ArrayList<>();
        for (String name : peer.variants(operation, request.shape())) {
            try (Peer.Variant variant = peer.prepare(name, operation, request.shape(), inputs)) {
                variant.run();
                expected.check(peer.name() + " " + name, variant.results(), TOLERANCE);
                measurements.add(time(name, variant, request.plan()));
            } catch (RuntimeException e) {
                measurements.add(new PeerMeasurement(name, "", List.of(), 0, String.valueOf(e.getMessage())));
            }
        }
        return measurements;
    }

    private static PeerMeasurement time(String name, Peer.Variant variant, Samples.Plan plan) {
        WarmUp.untilSteady(variant::run, WARMUP_WINDOW_MILLIS);
        long cpuBefore = processCpuNanos();
        long wallBefore = System.nanoTime();
        Samples samples = Samples.take(plan, variant::timedCalls);
        double busyThreads = (double) (processCpuNanos() - cpuBefore) / (System.nanoTime() - wallBefore);
        return new PeerMeasurement(
                name,
                variant.detail(),
                Arrays.stream(samples.nanoseconds()).boxed().toList(),
                busyThreads,
                "");
    }

    private static long processCpuNanos() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
                .getProcessCpuTime();
    }
}
