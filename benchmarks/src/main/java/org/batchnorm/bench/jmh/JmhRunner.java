package org.batchnorm.bench.jmh;

import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.regex.Pattern;
import org.batchnorm.bench.workload.Samples;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.Backends;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.format.OutputFormatFactory;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.Options;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Runs one benchmark with one combination of parameters in a JVM of its own, and gives its samples. What JMH prints
 * goes to a log.
 */
public final class JmhRunner implements AutoCloseable {
    private static final int WARMUP_ITERATIONS = 4;

    private final Samples.Plan plan;
    private final Path log;
    private final PrintStream logStream;
    private final Path notes;

    /**
     * Opens the log.
     *
     * @param plan how long to warm up and to sample
     * @param log a file to which is appended
     */
    public JmhRunner(Samples.Plan plan, Path log) {
        this.plan = plan;
        this.log = log;
        try {
            this.logStream = new PrintStream(
                    Files.newOutputStream(log, StandardOpenOption.CREATE, StandardOpenOption.APPEND),
                    true,
                    StandardCharsets.UTF_8);
            this.notes = Files.createTempFile("batchnorm-notes-", ".txt");
        } catch (IOException e) {
            throw new UncheckedIOException("log file " + log + " cannot be written: " + e, e);
        }
    }

    /**
     * Runs a benchmark to its steady state.
     *
     * @param benchmark its class
     * @param method its method
     * @param parameters its {@code @Param}s
     * @param jmhThreads JMH's own threads
     * @throws IllegalStateException if it fails; the message is the failure's, the log has the rest
     */
    public Outcome run(Class<?> benchmark, String method, Map<String, String> parameters, int jmhThreads) {
        return run(options(benchmark, method, parameters)
                .forks(1)
                .threads(jmhThreads)
                .warmupIterations(WARMUP_ITERATIONS)
                .warmupTime(TimeValue.milliseconds(Math.max(1, plan.warmupMillis() / WARMUP_ITERATIONS)))
                .measurementIterations(plan.samples())
                .measurementTime(TimeValue.milliseconds(plan.sampleMillis()))
                .addProfiler(GCProfiler.class)
                .addProfiler(NativeThreads.class)
                .build());
    }

    /** Runs a benchmark of first calls as its annotations say: a JVM for each sample. */
    public Outcome runFirstCalls(Class<?> benchmark, String method, Map<String, String> parameters) {
        return run(options(benchmark, method, parameters).build());
    }

    private ChainedOptionsBuilder options(Class<?> benchmark, String method, Map<String, String> parameters) {
        ChainedOptionsBuilder options = new OptionsBuilder()
                .include("^" + Pattern.quote(benchmark.getName() + "." + method) + "$")
                .shouldFailOnError(true);
        parameters.forEach(options::param);
        List<String> jvmOptions = new ArrayList<>(ForkNotes.jvmOptions(notes, log));
        BackendOptions.fromSystemProperties()
                .device()
                .filter(device -> hasDevices(parameters.get("backend")))
                .ifPresent(device -> jvmOptions.add("-D" + BackendOptions.DEVICE_PROPERTY + "=" + device));
        return options.jvmArgsPrepend(jvmOptions.toArray(String[]::new));
    }

    private static boolean hasDevices(@Nullable String backend) {
        return Backends.all().stream()
                .anyMatch(candidate ->
                        candidate.name().equals(backend) && !candidate.devices().isEmpty());
    }

    private Outcome run(Options options) {
        FailureKeeper format =
                new FailureKeeper(OutputFormatFactory.createFormatInstance(logStream, VerboseMode.NORMAL));
        try {
            Files.writeString(notes, "");
            RunResult result = new Runner(options, format).runSingle();
            return outcome(result, ForkNotes.read(notes));
        } catch (RunnerException e) {
            String failure = format.failure();
            throw new IllegalStateException(failure.isEmpty() ? e.getMessage() + "; see " + log : failure, e);
        } catch (IOException e) {
            throw new UncheckedIOException("notes of a benchmark: " + e, e);
        }
    }

    private static Outcome outcome(RunResult run, Map<String, String> notes) {
        double[] nanoseconds = run.getBenchmarkResults().stream()
                .flatMap(fork -> fork.getIterationResults().stream())
                .mapToDouble(iteration -> iteration.getPrimaryResult().getScore())
                .toArray();
        Result<?> allocated = run.getSecondaryResults().get("gc.alloc.rate.norm");
        return new Outcome(
                Samples.of(nanoseconds),
                allocated == null ? OptionalDouble.empty() : OptionalDouble.of(allocated.getScore()),
                notes);
    }

    @Override
    public void close() {
        logStream.close();
        try {
            Files.deleteIfExists(notes);
        } catch (IOException e) {
            throw new UncheckedIOException("notes of benchmarks: " + notes + " cannot be deleted: " + e, e);
        }
    }

    /**
     * What came out.
     *
     * @param samples nanoseconds per call, one sample an iteration
     * @param allocatedBytes on the Java heap, per call
     * @param notes what it told ({@link ForkNotes}), by name
     */
    public record Outcome(Samples samples, OptionalDouble allocatedBytes, Map<String, String> notes) {

        /** Copies the notes. */
        public Outcome {
            notes = Map.copyOf(notes);
        }

        /**
         * What was told under the name.
         *
         * @throws IllegalStateException if nothing was
         */
        public String note(String name) {
            String note = notes.get(name);
            if (note == null) {
                throw new IllegalStateException("a benchmark did not tell its " + name + ", only " + notes);
            }
            return note;
        }
    }
}
