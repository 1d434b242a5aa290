package org.batchnorm.bench.jmh.device;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.stream.Collectors;
import org.batchnorm.bench.jmh.device.DeviceTimer.Facts;
import org.batchnorm.bench.jmh.device.DeviceTimer.Timing;
import org.batchnorm.bench.jmh.device.DeviceTimer.Way;
import org.batchnorm.bench.jmh.results.Libraries;
import org.batchnorm.bench.jmh.results.Measurement;
import org.batchnorm.bench.jmh.results.Measurement.Point;
import org.batchnorm.bench.jmh.results.Measurement.Result;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Kind;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;

/** Times taken on a device as rows of a results file. */
public final class DeviceRows {
    private static final String BACKEND = "tornadovm";

    private DeviceRows() {}

    /**
     * The rows of one timing: {@code execute()} by the wall clock, the first execution, and the kernels by the device's
     * clock where the way has that. The variant is TornadoVM's backend and the kernels' version,
     * {@code tornadovm-cuda-on-chip}, with {@code -replayed} behind it for a CUDA graph.
     *
     * @param copy GB/s of the copy kernel on the same shape in the same run
     */
    public static List<Measurement> of(
            Measurement.Run run,
            Facts facts,
            Operation operation,
            BenchShape shape,
            Way way,
            Timing timing,
            OptionalDouble copy) {
        String variant = BACKEND + "-" + facts.backend().toLowerCase(Locale.ROOT)
                + timing.version().map(version -> "-" + version.label()).orElse("")
                + (way == Way.REPLAYED ? "-replayed" : "");
        Point wall = new Point(
                operation,
                shape,
                "device",
                operation.baseline() ? Libraries.JAVA : Libraries.OURS,
                variant,
                facts.name(),
                0,
                way != Way.TRANSFERRED,
                "wall",
                "warm",
                "steady",
                null,
                null);
        String where = facts.backend() + ", " + facts.driver();
        List<Measurement> rows = new ArrayList<>();
        rows.add(row(wall, run, timing.wall(), where));
        Point first = wall.withCache("cold").inPhase("first");
        rows.add(row(first, run, Samples.of(new double[] {timing.firstMillis() * 1e6}), where));
        timing.kernel().ifPresent(samples -> {
            Measurement kernel = row(wall.byClock("kernel"), run, samples, where + steps(timing));
            rows.add(
                    copy.isPresent()
                            ? new Measurement(
                                    kernel.point(),
                                    run,
                                    kernel.result()
                                            .withCopyShare(kernel.result().gigabytesPerSecond() / copy.getAsDouble()))
                            : kernel);
        });
        return rows;
    }

    /** GB/s of the operation's logical bytes by the kernels' median; empty without kernel times. */
    public static OptionalDouble bandwidth(Operation operation, BenchShape shape, Timing timing) {
        return timing.kernel().isPresent()
                ? OptionalDouble.of(operation.logicalBytes(shape, Kind.PLAIN)
                        / timing.kernel().get().medianMillis()
                        / 1e6)
                : OptionalDouble.empty();
    }

    private static String steps(Timing timing) {
        return timing.kernelMillis().size() < 2
                ? ""
                : timing.kernelMillis().entrySet().stream()
                        .map(step -> String.format(Locale.ROOT, "%s %.4g ms", step.getKey(), step.getValue()))
                        .collect(Collectors.joining(", ", "; ", ""));
    }

    private static Measurement row(Point point, Measurement.Run run, Samples samples, String detail) {
        return new Measurement(point, run, Result.of(point, samples).withDetail(detail));
    }
}
