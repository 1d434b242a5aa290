package org.batchnorm.bench.jmh.results;

import java.util.Arrays;
import org.batchnorm.bench.jmh.results.Measurement.Point;
import org.batchnorm.bench.jmh.results.Measurement.Result;
import org.batchnorm.bench.jmh.results.Measurement.Run;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;

/** Measurements for tests. */
public final class Rows {
    private Rows() {}

    public static Run run(String id) {
        return new Run(id, "2026-01-0" + id + "T00:00:00Z", "c" + id, "25", "machine", 2, "Linux 6");
    }

    /** Samples of which the median is {@code milliseconds}, the quartiles 1 % off. */
    public static Result result(Point point, double milliseconds) {
        return result(
                point,
                0.98 * milliseconds,
                0.99 * milliseconds,
                milliseconds,
                1.01 * milliseconds,
                1.02 * milliseconds);
    }

    public static Result result(Point point, double... sampleMilliseconds) {
        return Result.of(
                point,
                Samples.of(Arrays.stream(sampleMilliseconds)
                        .map(milliseconds -> milliseconds * 1e6)
                        .toArray()));
    }

    public static Measurement ours(Run run, Operation operation, String shape, int threads, double milliseconds) {
        return row(run, operation, shape, "heap", Libraries.OURS, "vector", threads, milliseconds);
    }

    public static Measurement peer(
            Run run,
            String library,
            String variant,
            Operation operation,
            String shape,
            int threads,
            double milliseconds) {
        return row(run, operation, shape, "native", library, variant, threads, milliseconds);
    }

    public static Measurement copy(Run run, String shape, int threads, double milliseconds) {
        return row(run, Operation.COPY, shape, "heap", Libraries.JAVA, "array", threads, milliseconds);
    }

    /** A row of kernel time on a device, warm and resident. */
    public static Measurement onDevice(
            Run run, String library, String variant, Operation operation, String shape, double milliseconds) {
        Point point = new Point(
                operation,
                BenchShape.parse(shape),
                "device",
                library,
                variant,
                "NVIDIA H200",
                0,
                true,
                "kernel",
                "warm",
                "steady",
                null,
                null);
        return new Measurement(point, run, result(point, milliseconds));
    }

    private static Measurement row(
            Run run,
            Operation operation,
            String shape,
            String memory,
            String library,
            String variant,
            int threads,
            double milliseconds) {
        Point point = Point.onCpu(operation, BenchShape.parse(shape), memory, library, variant, threads);
        return new Measurement(point, run, result(point, milliseconds));
    }
}
