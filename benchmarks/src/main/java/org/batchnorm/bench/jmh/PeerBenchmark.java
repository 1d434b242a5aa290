package org.batchnorm.bench.jmh;

import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.batchnorm.bench.peers.BuiltPeer;
import org.batchnorm.bench.peers.Peer;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Kind;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.WarmUp;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.runner.IterationType;

/**
 * Another library's operation, measured as ours is: in a fork of its own, checked, warmed up and sampled by the same
 * code, so that a ratio compares two libraries and not two ways of measuring.
 *
 * <p><b>Pitfall: a library on the class path.</b> Several native libraries in one process share its threads and its
 * symbols. So the peer's jars are on nobody's class path; the fork that measures it loads them.
 *
 * <p><b>Pitfall: threads that are not there.</b> A library told to use n threads may use fewer, or find them taken. So
 * the processor time of the process by the wall's is told besides.
 *
 * <p>Run: {@code batchnorm bench --peers}.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(
        value = 1,
        jvmArgsAppend = {"--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"})
@Warmup(iterations = 4, time = 250, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 15, time = 20, timeUnit = TimeUnit.MILLISECONDS)
@SuppressWarnings("NullAway.Init") // JMH calls setUp() first
public class PeerBenchmark {

    /** A peer is to compute the same thing, not to be as accurate as we are. */
    private static final double TOLERANCE = 1e-3;

    /** {@code benchmarks/peers} of a build with them. */
    @Param("benchmarks/peers")
    public String folder = "";

    /** Its module. */
    @Param("onednn")
    public String peer = "";

    /** One of its {@link Peer#variants}. */
    @Param("ab")
    public String variant = "";

    /** {@code forward}, {@code inference} or {@code backward}. */
    @Param({"forward", "inference", "backward"})
    public String operation = "";

    /** The shape, as {@link BenchShape} writes it. */
    @Param({"256x256", "1024x1024", "65536x256"})
    public String shape = "";

    /** What is done besides, as {@link Fusion} names it. */
    @Param("none")
    public String fused = "none";

    /** The library's threads. */
    @Param("1")
    public int threads;

    private @Nullable BuiltPeer built;
    private Peer.Variant measured;
    private long wallNanos;
    private long processorNanos;
    private long wallBefore;
    private long processorBefore;

    /** Loads and starts the peer, fills its memory, checks the result, warms up. */
    @Setup(Level.Trial)
    public void setUp() {
        ForkNotes.printToLog();
        built = BuiltPeer.load(Path.of(folder), peer);
        Thread.currentThread().setContextClassLoader(built.classLoader());
        setUp(built.peer());
    }

    void setUp(Peer library) {
        Peer.Started started = library.start(threads);
        if (started.threads() != threads) {
            throw new IllegalStateException(
                    "peer " + peer + " uses " + started.threads() + " threads, was told to use " + threads);
        }
        Operation what = Operation.of(operation);
        BenchShape size = BenchShape.parse(shape);
        Inputs inputs = Inputs.of(what, size, new Kind(Kind.PLAIN.type(), Fusion.of(fused)));
        measured = library.prepare(variant, what, size, inputs);
        once();
        Expected.of(what, size, inputs).check(library.name() + " " + variant, measured.results(), TOLERANCE);
        ForkNotes.say(ForkNotes.VERSION, started.version());
        ForkNotes.say(ForkNotes.DETAIL, measured.detail());
        WarmUp.untilSteady(this::once, OperationBenchmark.WARMUP_WINDOW_MILLIS);
    }

    private void once() {
        measured.prepareCall();
        measured.run();
    }

    /** Looks at the clocks. */
    @Setup(Level.Iteration)
    public void before() {
        wallBefore = System.nanoTime();
        processorBefore = processorNanos();
    }

    /** Adds up what a sample took. */
    @TearDown(Level.Iteration)
    public void after(IterationParams iteration) {
        if (iteration.getType() == IterationType.MEASUREMENT) {
            processorNanos += processorNanos() - processorBefore;
            wallNanos += System.nanoTime() - wallBefore;
        }
    }

    /** Tells how many threads worked, and frees the memory. */
    @TearDown(Level.Trial)
    public void tearDown() {
        ForkNotes.say(
                ForkNotes.BUSY_THREADS,
                String.format(Locale.ROOT, "%.4f", (double) processorNanos / Math.max(1, wallNanos)));
        measured.close();
        if (built != null) {
            built.close();
        }
    }

    /** The operation. */
    @Benchmark
    public void call() {
        measured.run();
    }

    /** The operation of a library that must prepare each. */
    @Benchmark
    public void preparedCall(Preparation preparation) {
        measured.run();
    }

    private static long processorNanos() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
                .getProcessCpuTime();
    }

    /** Prepares each call; JMH leaves that out of the time. */
    @State(Scope.Thread)
    public static class Preparation {

        /** Before each call. */
        @Setup(Level.Invocation)
        public void prepare(PeerBenchmark benchmark) {
            benchmark.measured.prepareCall();
        }
    }
}
