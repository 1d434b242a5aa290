package org.batchnorm.bench.peers;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;

/** A peer's process, seen from the harness. It stays alive between measurements and sleeps while it is not asked. */
public final class PeerProcess implements AutoCloseable {

    /** The peers there are, separated by commas: their modules' names under {@code benchmarks/peers}. */
    public static final String ALL = "libtorch,onednn,onnxruntime,nd4j,djl";

    /** The same as a list. */
    public static final List<String> NAMES = List.of(ALL.split(","));

    private final ObjectMapper json = new ObjectMapper();
    private final String name;
    private final int threads;
    private final Process process;
    private final BufferedWriter requests;
    private final BufferedReader replies;
    private final PeerMessages.Greeting greeting;

    private PeerProcess(String name, int threads, Process process) {
        this.name = name;
        this.threads = threads;
        this.process = process;
        this.requests = process.outputWriter(StandardCharsets.UTF_8);
        this.replies = process.inputReader(StandardCharsets.UTF_8);
        this.greeting = read(PeerMessages.Greeting.class);
    }

    /**
     * Starts a peer.
     *
     * @param peersHome the folder {@code benchmarks/peers} of a build with the profile {@code peers}
     * @param name one of {@link #NAMES}
     * @param threads its threads
     * @param log receives what the library prints
     * @throws IllegalStateException if the peer is not built, fails to start or says that it uses another number of
     *     threads
     */
    public static PeerProcess start(Path peersHome, String name, int threads, Path log) {
        Path target = peersHome.resolve(name).resolve("target");
        if (!Files.isDirectory(target.resolve("lib"))) {
            throw new IllegalStateException("peer " + name + " is not built: no folder " + target.resolve("lib")
                    + "; run: mvn -Ppeers package -DskipTests");
        }
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-cp",
                target.resolve("lib") + "/*" + java.io.File.pathSeparator + target.resolve(name + ".jar"),
                PeerServer.class.getName(),
                String.valueOf(threads)));
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.appendTo(log.toFile()));
        // Every native library here runs its loops on OpenMP threads or on threads that it counts the same way.
        builder.environment().put("OMP_NUM_THREADS", String.valueOf(threads));
        builder.environment().put("MKL_NUM_THREADS", String.valueOf(threads));
        try {
            PeerProcess peer = new PeerProcess(name, threads, builder.start());
            if (peer.greeting.threads() != threads) {
                peer.close();
                throw new IllegalStateException(
                        "peer " + name + " uses " + peer.greeting.threads() + " threads, was told to use " + threads);
            }
            return peer;
        } catch (IOException e) {
            throw new UncheckedIOException("peer " + name + " cannot be started: " + e.getMessage(), e);
        }
    }

    /** Its name. */
    public String name() {
        return name;
    }

    /** The library's version. */
    public String version() {
        return greeting.version();
    }

    /** What the library says about its settings. */
    public String settings() {
        return greeting.settings();
    }

    /** Its threads. */
    public int threads() {
        return threads;
    }

    /**
     * Measures one operation on one shape, in every variant that the peer has.
     *
     * @throws IllegalStateException if the process died
     */
    public List<PeerMeasurement> measure(Operation operation, BenchShape shape, Samples.Plan plan) {
        try {
            requests.write(json.writeValueAsString(new PeerMessages.Request(operation, shape, plan)));
            requests.newLine();
            requests.flush();
        } catch (IOException e) {
            throw new IllegalStateException("peer " + name + " does not take requests any more: " + e.getMessage(), e);
        }
        return read(PeerMessages.Reply.class).measurements();
    }

    private <T> T read(Class<T> type) {
        try {
            String line = replies.readLine();
            if (line == null) {
                process.waitFor(5, TimeUnit.SECONDS);
                throw new IllegalStateException("peer " + name + " ended"
                        + (process.isAlive() ? "" : " with exit code " + process.exitValue()));
            }
            return json.readValue(line, type);
        } catch (IOException e) {
            throw new IllegalStateException("peer " + name + " answered something else: " + e.getMessage(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for peer " + name, e);
        }
    }

    /** Ends the process. */
    @Override
    public void close() {
        try {
            requests.close();
            if (!process.waitFor(5, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (IOException e) {
            process.destroyForcibly();
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
