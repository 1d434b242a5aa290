package org.batchnorm.bench.jmh;

import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.data.Batch;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
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

/**
 * The calls that a steady-state benchmark throws away: the very first one in a JVM, and the first one of a shape after
 * a second of work on another shape.
 *
 * <p><b>Pitfall: one first call a JVM.</b> There is nothing to repeat, so each fork gives one sample; JMH's single-shot
 * mode without warm-up keeps the harness from making the first call itself. The backend is opened and the data are
 * filled before: what is timed is class loading, interpretation and the first compilation.
 *
 * <p>Run: {@code batchnorm bench --first}, or with JMH's options {@code FirstCallBenchmark -f 5 -p shape=1024x1024}.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(
        value = 5,
        jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
@Warmup(iterations = 0)
@Measurement(iterations = 1)
@SuppressWarnings("NullAway.Init") // JMH calls setUp() first
public class FirstCallBenchmark {

    /** Nothing has been called before. */
    public static final String FIRST = "first";

    /** Another shape has been worked on for a second. */
    public static final String NEW_SHAPE = "new-shape";

    private static final BenchShape OTHER = BenchShape.of(96, 320);
    private static final long SECOND = 1_000_000_000L;

    /** {@code forward}, {@code inference} or {@code backward}. */
    @Param({"forward", "inference", "backward"})
    public String operation = "";

    /** The shape, as {@link BenchShape} writes it. */
    @Param({"256x256", "1024x1024", "32x256x14x14"})
    public String shape = "";

    /** The backend's name. */
    @Param({"vector", "scalar"})
    public String backend = "";

    /** The backend's threads. */
    @Param("1")
    public int threads;

    /** {@link #FIRST} or {@link #NEW_SHAPE}. */
    @Param({FIRST, NEW_SHAPE})
    public String phase = "";

    private BatchNormOperations operations;
    private Call call;

    /** Opens the backend and fills the data; works on another shape where that is asked for. */
    @Setup(Level.Trial)
    public void setUp() {
        operations = Backends.open(
                        Optional.of(backend),
                        new BackendOptions(
                                threads, BackendOptions.fromSystemProperties().device()))
                .operations();
        call = new Call(Operation.of(operation), BenchShape.parse(shape));
        if (phase.equals(NEW_SHAPE)) {
            Call other = new Call(Operation.of(operation), OTHER);
            long start = System.nanoTime();
            while (System.nanoTime() - start < SECOND) {
                other.run(operations);
            }
        }
    }

    /** Closes the backend. */
    @TearDown(Level.Trial)
    public void tearDown() {
        operations.close();
    }

    /** The one call. */
    @Benchmark
    public void call() {
        call.run(operations);
    }

    /** One operation on its own data. */
    private static final class Call {
        private final Operation operation;
        private final Tensors tensors = new Tensors();
        private final Batch x;
        private final Batch dy;
        private final Batch output;
        private final Normalization batchs;
        private final Normalization running;
        private final GradientSums sums;

        Call(Operation operation, BenchShape shape) {
            this.operation = operation;
            Inputs in = Inputs.of(operation, shape);
            this.x = Batch.of(in.x(), shape.batchShape());
            this.dy = operation == Operation.BACKWARD ? Batch.of(in.dy(), shape.batchShape()) : x;
            this.output = Batch.of(new float[shape.elements()], shape.batchShape());
            this.batchs = new Normalization(in.gamma(), in.beta(), Inputs.EPS, new BatchStatistics(shape.c()), true);
            this.running = new Normalization(
                    in.gamma(), in.beta(), Inputs.EPS, BatchStatistics.over(in.runningMean(), in.runningVar()), false);
            this.sums = new GradientSums(shape.c());
        }

        void run(BatchNormOperations operations) {
            switch (operation) {
                case FORWARD -> operations.forward(tensors.forward(x, output), batchs);
                case INFERENCE -> operations.transform(tensors.forward(x, output), running);
                case BACKWARD -> operations.backward(tensors.backward(x, dy, output), batchs, sums);
                case STEP, COPY, STREAM, READ, READ2, STREAM2 ->
                    throw new IllegalArgumentException(
                            "operation: " + operation + " given, must be one of " + Operation.ofBatchNorm());
            }
        }
    }
}
