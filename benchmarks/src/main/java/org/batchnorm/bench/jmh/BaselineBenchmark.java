package org.batchnorm.bench.jmh;

import java.util.List;
import java.util.concurrent.TimeUnit;
import org.batchnorm.bench.workload.Operation;
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
 * What the machine can move, and what plain Java can do with it: the yardsticks beside every result of the same run.
 * {@code copy}; {@code read} (Σ x) and {@code read2} (Σ x·z), the least that statistics and gradients do to each
 * element; {@code stream} (y = a·x + b) and {@code stream2} (y = a·x + b·z), the least that the map does.
 *
 * <p><b>Pitfall: a yardstick that is badly written.</b> One sum waits for each addition before the next; a loop may or
 * may not become vectors. So each baseline is written in a few plain forms, which are tried first, in the same JVM; the
 * fastest is measured.
 *
 * <p><b>Pitfall: one thread's bandwidth for all cores.</b> Two cores do not move twice the bytes of one. With the
 * option {@code -t n} each of JMH's n threads passes over its own n-th of the elements, and the time of one round is
 * the time in which all of them were passed over.
 *
 * <p><b>Pitfall: pages that were never written.</b> Reading memory that was only allocated reads one and the same page
 * of zeros; all of it is written first.
 *
 * <p>Run with JMH: {@code BaselineBenchmark -p baseline=read -p elements=1048576 -t 1}. {@code batchnorm bench}
 * measures it beside every shape.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(value = 1, jvmArgsAppend = "--add-modules=jdk.incubator.vector")
@Warmup(iterations = 3, time = 150, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 15, time = 20, timeUnit = TimeUnit.MILLISECONDS)
@SuppressWarnings("NullAway.Init") // JMH calls setUp() first
public class BaselineBenchmark {

    /** Which one. */
    @Param({"copy", "read", "stream", "read2", "stream2"})
    public String baseline = "";

    /** The elements of all threads together. */
    @Param({"65536", "1048576", "16777216"})
    public int elements;

    /** {@link OperationBenchmark#HEAP} or {@link OperationBenchmark#OFF_HEAP}. */
    @Param({OperationBenchmark.HEAP, OperationBenchmark.OFF_HEAP})
    public String memory = "";

    private Form.Pass fastest;

    /** Fills this thread's memory and chooses the form. */
    @Setup(Level.Trial)
    public void setUp(BenchmarkParams parameters) {
        int own = Math.max(1, elements / parameters.getThreads());
        Operation operation = Operation.of(baseline);
        List<Form> forms = memory.equals(OperationBenchmark.HEAP)
                ? new ArrayForms(own).of(operation)
                : new SegmentForms(own).of(operation);
        Form form = Form.fastest(forms);
        ForkNotes.say(ForkNotes.DETAIL, form.name());
        fastest = form.run();
    }

    /** One pass. */
    @Benchmark
    public float pass() {
        return fastest.once();
    }
}
