package org.batchnorm.bench.jmh;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Kind;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.WarmUp;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.jspecify.annotations.Nullable;
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

/**
 * What the benchmarks of the three operations share: the parameters, the backend, the data and the check.
 *
 * <p><b>Pitfall: timing something wrong.</b> A kernel that skips a tail or reads the wrong feature is usually faster.
 * Before the first iteration the operation runs once and its result is held against the double-precision reference; a
 * wrong one ends the benchmark.
 *
 * <p><b>Pitfall: threads inside, not outside.</b> {@code threads} is the backend's own number. JMH's {@code -t} stays
 * 1: it would run that many independent batches.
 *
 * <p><b>Pitfall: a fused activation beside nothing.</b> With {@code separate} the same backend does batch normalization
 * alone, and {@link SeparatePasses} do what {@code fused} says.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(
        value = 1,
        jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
@Warmup(iterations = 4, time = 250, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 15, time = 20, timeUnit = TimeUnit.MILLISECONDS)
@SuppressWarnings("NullAway.Init") // JMH calls setUp() first
public abstract class OperationBenchmark {

    /** Data in {@code float[]}s. */
    public static final String HEAP = "heap";

    /** Data in native memory, aligned to a page. */
    public static final String OFF_HEAP = "off-heap";

    /** The bar of the conformance tests at its widest: 100 roundings of float32. */
    private static final double TOLERANCE = 100 * 0x1p-24;

    /** Long enough for the compiler to finish something. */
    static final int WARMUP_WINDOW_MILLIS = 200;

    private static final long PAGE = 4096;

    /** The shape, as {@link BenchShape} writes it. */
    @Param({"256x256", "1024x1024", "65536x256", "32x256x14x14", "32x256x14x14:channels-last"})
    public String shape = "";

    /** The backend's name. */
    @Param({"vector", "scalar"})
    public String backend = "";

    /** The backend's threads. */
    @Param("1")
    public int threads;

    /** {@link #HEAP} or {@link #OFF_HEAP}. */
    @Param({HEAP, OFF_HEAP})
    public String memory = "";

    /** The values' type, as {@link Kind#label} writes it. */
    @Param("float32")
    public String type = "float32";

    /** What is done besides, as {@link Fusion} names it. */
    @Param("none")
    public String fused = "none";

    /** Whether that is done in passes of its own, of float32. */
    @Param("false")
    public boolean separate;

    /** The opened backend. */
    protected BatchNormOperations operations;

    /** The shape, as the library takes it. */
    protected BatchShape batch;

    /** The inputs; (C) ones as they are, x and dy as the arrays of {@link #HEAP}. */
    protected Inputs in;

    /** x, where {@link #memory} says. */
    protected Batch x;

    /** dy, likewise; where the operation has none, x. */
    protected Batch dy;

    /** The residual, likewise; null: none. */
    protected @Nullable Batch residual;

    /** y or dx, likewise. */
    protected Batch output;

    /** What is done in passes of their own; does nothing where nothing is. */
    protected SeparatePasses passes;

    /** What each call fills anew, as the layer does. */
    protected Tensors tensors;

    /** Which operation it is. */
    protected abstract Operation operation();

    /** Runs it once. */
    protected abstract void run();

    /** The results that are not the output: the gradients of the parameters and of the residual. */
    protected Map<String, float[]> otherResults() {
        return Map.of();
    }

    /** What must have happened before the operation can run. */
    protected void prepare() {}

    /** With the statistics of the batch, which a forward writes. */
    protected final Normalization withOwnStatistics() {
        return new Normalization(in.gamma(), in.beta(), Inputs.EPS, new BatchStatistics(batch.c()), true);
    }

    /** With running statistics. */
    protected final Normalization withRunningStatistics() {
        BatchStatistics running = BatchStatistics.over(in.runningMean(), in.runningVar());
        return new Normalization(in.gamma(), in.beta(), Inputs.EPS, running, false);
    }

    /** Opens the backend, fills the memory, checks the result, warms up. */
    @Setup(Level.Trial)
    public void setUp() {
        check();
        WarmUp.untilSteady(this::run, WARMUP_WINDOW_MILLIS);
    }

    /** Opens the backend, fills the memory, checks the result. */
    final void check() {
        BenchShape benchShape = BenchShape.parse(shape);
        batch = benchShape.batchShape();
        Kind kind = new Kind(Kind.type(type), Fusion.of(fused));
        in = Inputs.of(operation(), benchShape, kind);
        operations = Backends.open(
                        Optional.of(backend),
                        new BackendOptions(
                                threads, BackendOptions.fromSystemProperties().device()))
                .operations();
        x = filled(in.x());
        dy = operation() == Operation.BACKWARD ? filled(in.dy()) : x;
        residual = kind.fusion().residual() ? filled(in.residual()) : null;
        output = empty();
        passes = separate
                ? new SeparatePasses(kind.fusion(), residual, empty(), empty(), threads)
                : new SeparatePasses(Fusion.NONE, null, x, x, 1);
        tensors = separate ? new Tensors() : new Tensors(kind.fusion().activations());
        prepare();
        run();
        Expected expected = Expected.of(operation(), benchShape, in);
        expected.check(backend + " (" + memory + ", " + threads + " threads)", results(), TOLERANCE);
    }

    /** Closes the backend and the threads. */
    @TearDown(Level.Trial)
    public void tearDown() {
        passes.close();
        operations.close();
    }

    private Batch filled(float[] values) {
        Batch filled = empty();
        filled.copyFrom(values, 0, 0, values.length);
        return filled;
    }

    /** Memory for a tensor, all of it written once. */
    protected final Batch empty() {
        ElementType elements = Kind.type(type);
        int length = Math.toIntExact(batch.elements());
        MemorySegment segment = memory.equals(HEAP)
                ? array(elements, length)
                : Arena.ofAuto().allocate(Math.max(1L, length) * elements.bytes(), PAGE);
        return Batch.of(segment.fill((byte) 0), elements, batch);
    }

    /** A view of it gives the array away, so that the backend works on the array. */
    private static MemorySegment array(ElementType type, int length) {
        return switch (type.bytes()) {
            case Short.BYTES -> MemorySegment.ofArray(new short[length]);
            case Float.BYTES -> MemorySegment.ofArray(new float[length]);
            default -> MemorySegment.ofArray(new double[length]);
        };
    }

    /** The values in float32. */
    protected static float[] floats(Batch tensor) {
        float[] values = new float[Math.toIntExact(tensor.shape().elements())];
        tensor.copyTo(0, values, 0, values.length);
        return values;
    }

    /** What it computed, by quantity. */
    final Map<String, float[]> results() {
        Map<String, float[]> results = new HashMap<>(otherResults());
        results.put(operation() == Operation.BACKWARD ? Expected.DX : Expected.Y, floats(output));
        return results;
    }
}
