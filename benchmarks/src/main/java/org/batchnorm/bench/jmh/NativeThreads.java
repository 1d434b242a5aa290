package org.batchnorm.bench.jmh;

import java.io.File;
import java.util.Collection;
import java.util.List;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.profile.ExternalProfiler;
import org.openjdk.jmh.results.BenchmarkResult;
import org.openjdk.jmh.results.Result;

/**
 * Starts a peer's fork with the number of threads in its environment, where native libraries look for it: every one
 * here runs its loops on OpenMP's threads or on threads that it counts the same way. To JMH this is a profiler, since
 * those may say what stands before {@code java} on the command line; it profiles nothing.
 */
public final class NativeThreads implements ExternalProfiler {

    @Override
    public Collection<String> addJVMInvokeOptions(BenchmarkParams parameters) {
        if (!parameters.getBenchmark().startsWith(PeerBenchmark.class.getName())) {
            return List.of();
        }
        String threads = parameters.getParam("threads");
        return List.of("env", "OMP_NUM_THREADS=" + threads, "MKL_NUM_THREADS=" + threads);
    }

    @Override
    public Collection<String> addJVMOptions(BenchmarkParams parameters) {
        return List.of();
    }

    @Override
    public void beforeTrial(BenchmarkParams parameters) {}

    @Override
    public Collection<? extends Result<?>> afterTrial(BenchmarkResult result, long pid, File out, File err) {
        return List.of();
    }

    /**
     * No: what libraries print past Java is not the command's output. Where the process dies JMH shows the end of it.
     */
    @Override
    public boolean allowPrintOut() {
        return false;
    }

    @Override
    public boolean allowPrintErr() {
        return false;
    }

    @Override
    public String getDescription() {
        return "the number of threads in the environment of a peer's process";
    }
}
