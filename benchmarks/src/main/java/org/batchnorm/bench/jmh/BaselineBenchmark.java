package org.batchnorm.bench.jmh;

import java.util.concurrent.TimeUnit;
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
import org.openjdk.jmh.annotations.Warmup;
import org.openjdk.jmh.infra.BenchmarkParams;

/**
 * What the machine can move: the yardstick beside every result of the same run.
 *
 * <p><b>Pitfall: one thread's bandwidth for all cores.</b> Two cores do not move twice the bytes of one. With the
 * option {@code -t n} each of JMH's n threads copies its own n-th of the elements, and the time of one round is the
 * time in which all of them were moved.
 *
 * <p><b>Pitfall: pages that were never written.</b> Reading memory that was only allocated reads one and the same page
 * of zeros; both arrays are filled first.
 *
 * <p>Run with JMH: {@code BaselineBenchmark -p elements=1048576 -t 1}. {@code batchnorm bench} measures it beside every
 * shape.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 150, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 15, time = 20, timeUnit = TimeUnit.MILLISECONDS)
public class BaselineBenchmark {

    /** The elements of all threads together. */
    @Param({"65536", "1048576", "16777216"})
    public int elements;

    private float a = 1.25f;
    private float b = 0.5f;
    private float[] x = new float[0];
    private float[] y = new float[0];

    /** Fills this thread's arrays. */
    @Setup(Level.Trial)
    public void setUp(BenchmarkParams parameters) {
        int own = Math.max(1, elements / parameters.getThreads());
        x = new float[own];
        y = new float[own];
        for (int i = 0; i < own; i++) {
            x[i] = i & 1023;
            y[i] = 1;
        }
    }

    /** {@code System.arraycopy}. */
    @Benchmark
    public float[] copy() {
        System.arraycopy(x, 0, y, 0, x.length);
        return y;
    }

    /** {@code y = a · x + b}, the least that an inference does to each element. */
    @Benchmark
    public float[] stream() {
        float[] from = x;
        float[] to = y;
        for (int i = 0; i < from.length; i++) {
            to[i] = a * from[i] + b;
        }
        return to;
    }
}
