package org.batchnorm.bench.jmh;

import java.util.concurrent.TimeUnit;
import org.batchnorm.BatchNorm;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.WarmUp;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
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
import org.openjdk.jmh.infra.BenchmarkParams;

/**
 * The layer {@link BatchNorm} on memory that the caller allocated once: what it costs above the backend's operation,
 * and what it allocates.
 *
 * <p><b>Pitfall: bytes that are not the layer's.</b> JMH's {@code gc} profiler divides all that was allocated during an
 * iteration by its calls; with few calls the profiler's own bytes show. Look at small shapes, where an iteration has
 * thousands of calls: there the layer's own B/op are what remains, and must be 0.
 *
 * <p>Run: {@code batchnorm bench --layer}, or with JMH's options {@code LayerBenchmark -prof gc -p shape=256x256}.
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
public class LayerBenchmark {

    /** The shape, as {@link BenchShape} writes it. */
    @Param({"32x128", "256x256", "32x256x14x14"})
    public String shape = "";

    /** The backend's name. */
    @Param({"vector", "scalar"})
    public String backend = "";

    /** The backend's threads. */
    @Param("1")
    public int threads;

    private Batch x;
    private Batch y;
    private Batch dy;
    private Batch dx;
    private BatchNorm training;
    private BatchNorm inference;

    /** Builds a layer for training and one for inference; warms up what this benchmark calls, and that alone. */
    @Setup(Level.Trial)
    public void setUp(BenchmarkParams parameters) {
        BenchShape benchShape = BenchShape.parse(shape);
        BatchShape batch = benchShape.batchShape();
        Inputs in = Inputs.of(Operation.BACKWARD, benchShape);
        x = Batch.of(in.x(), batch);
        y = Batch.of(new float[benchShape.elements()], batch);
        dy = Batch.of(in.dy(), batch);
        dx = Batch.of(new float[benchShape.elements()], batch);
        training =
                BatchNorm.builder(batch.c()).backend(backend).threads(threads).build();
        inference = BatchNorm.builder(batch.c())
                .backend(backend)
                .threads(threads)
                .build()
                .eval();
        String method = parameters.getBenchmark();
        Runnable measured = method.endsWith(".forward")
                ? this::forward
                : method.endsWith(".inference") ? this::inference : this::step;
        WarmUp.untilSteady(measured, OperationBenchmark.WARMUP_WINDOW_MILLIS);
    }

    /** Closes the layers. */
    @TearDown(Level.Trial)
    public void tearDown() {
        training.close();
        inference.close();
    }

    /** The training forward, running statistics included. */
    @Benchmark
    public void forward() {
        training.forward(x, y);
    }

    /** The forward in inference mode. */
    @Benchmark
    public void inference() {
        inference.forward(x, y);
    }

    /** Forward, backward, gradients back to zero. */
    @Benchmark
    public void step() {
        training.forward(x, y);
        training.backward(x, dy, dx);
        training.zeroGradients();
    }
}
