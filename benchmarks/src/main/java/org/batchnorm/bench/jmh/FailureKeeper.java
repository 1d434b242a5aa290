package org.batchnorm.bench.jmh;

import java.io.IOException;
import java.util.Collection;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.results.BenchmarkResult;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.format.OutputFormat;

/**
 * Passes JMH's output on and keeps the message of an exception in a benchmark: JMH itself prints it and then throws
 * "Benchmark caught the exception" without a cause, because the exception happened in another process.
 */
final class FailureKeeper implements OutputFormat {
    private static final Pattern EXCEPTION =
            Pattern.compile("^(?:[a-z]+\\.)+[A-Z]\\w*(?:Exception|Error): (.*)$", Pattern.MULTILINE);

    private final OutputFormat to;
    private String failure = "";

    FailureKeeper(OutputFormat to) {
        this.to = to;
    }

    /** The first exception's message; empty if there was none. */
    String failure() {
        return failure;
    }

    private void look(String text) {
        Matcher matcher = EXCEPTION.matcher(text);
        if (failure.isEmpty() && matcher.find()) {
            failure = matcher.group(1);
        }
    }

    @Override
    public void iteration(BenchmarkParams benchmark, IterationParams parameters, int iteration) {
        to.iteration(benchmark, parameters, iteration);
    }

    @Override
    public void iterationResult(
            BenchmarkParams benchmark, IterationParams parameters, int iteration, IterationResult result) {
        to.iterationResult(benchmark, parameters, iteration, result);
    }

    @Override
    public void startBenchmark(BenchmarkParams benchmark) {
        to.startBenchmark(benchmark);
    }

    @Override
    public void endBenchmark(BenchmarkResult result) {
        to.endBenchmark(result);
    }

    @Override
    public void startRun() {
        to.startRun();
    }

    @Override
    public void endRun(Collection<RunResult> results) {
        to.endRun(results);
    }

    @Override
    public void print(String text) {
        look(text);
        to.print(text);
    }

    @Override
    public void println(String text) {
        look(text);
        to.println(text);
    }

    @Override
    public void flush() {
        to.flush();
    }

    @Override
    public void close() {
        to.close();
    }

    @Override
    public void verbosePrintln(String text) {
        to.verbosePrintln(text);
    }

    @Override
    public void write(int b) {
        to.write(b);
    }

    @Override
    public void write(byte[] b) throws IOException {
        to.write(b);
    }
}
