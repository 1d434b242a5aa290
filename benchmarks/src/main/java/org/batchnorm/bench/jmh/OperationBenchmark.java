package org.batchnorm.bench.jmh;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.WarmUp;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.Tensors;
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

    /** y or dx, likewise. */
    protected Batch output;

    /** What each call fills anew, as the layer does. */
    protected final Tensors tensors = new Tensors();

    /** Which operation it is. */
    protected abstract Operation operation();

    /** Runs it once. */
    protected abstract void run();

    /** The results that are not the output: the gradients of the parameters. */
    protected Map<String, float[]> parameterGradients() {
        return Map.of();
    }

    /** What must have happened before the operation can run. */
    protected void prepare() {}

    /** Opens the backend, fills the memory, checks the result, warms up. */
    @Setup(Level.Trial)
    public void setUp() {
        BenchShape benchShape = BenchShape.parse(shape);
        batch = benchShape.batchShape();
        in = Inputs.of(operation(), benchShape);
        operations = Backends.open(
                        Optional.of(backend),
                        new BackendOptions(
                                threads, BackendOptions.fromSystemProperties().device()))
                .operations();
        x = filled(in.x());
        dy = operation() == Operation.BACKWARD ? filled(in.dy()) : x;
        output = filled(new float[benchShape.elements()]);
        prepare();
        run();
        Expected expected = Expected.of(operation(), benchShape, in);
        expected.check(backend + " (" + memory + ", " + threads + " threads)", results(), TOLERANCE);
        WarmUp.untilSteady(this::run, WARMUP_WINDOW_MILLIS);
    }

    /** Closes the backend. */
    @TearDown(Level.Trial)
    public void tearDown() {
        operations.close();
    }

    private Batch filled(float[] values) {
        if (memory.equals(HEAP)) {
            return Batch.of(values, batch);
        }
        MemorySegment segment = Arena.ofAuto().allocate(Math.max(1L, values.length) * Float.BYTES, PAGE);
        MemorySegment.copy(values, 0, segment, ValueLayout.JAVA_FLOAT, 0, values.length);
        return Batch.of(segment, batch);
    }

    private Map<String, float[]> results() {
        float[] main = output.isArray() ? output.array() : output.segment().toArray(ValueLayout.JAVA_FLOAT);
        Map<String, float[]> results = new HashMap<>(parameterGradients());
        results.put(operation() == Operation.BACKWARD ? Expected.DX : Expected.Y, main);
        return results;
    }
}
