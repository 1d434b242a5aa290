package org.batchnorm.bench.jmh.device;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.Collectors;
import org.batchnorm.bench.jmh.device.DeviceTimer.Facts;
import org.batchnorm.bench.jmh.device.DeviceTimer.Timing;
import org.batchnorm.bench.jmh.device.DeviceTimer.Version;
import org.batchnorm.bench.jmh.device.DeviceTimer.Way;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;

/**
 * The table that {@code check-gpu} prints line by line: a block for each shape, in it a line for each operation and
 * version of the kernels.
 */
public final class DeviceTable {

    /** Bytes of one tensor from which on a shape counts in the summary: more than the caches of any GPU hold. */
    private static final long LARGE = 256L << 20;

    private final PrintWriter out;
    private final boolean replays;
    private final String device;
    private final Optional<DeviceModel> model;
    private final List<Share> large = new ArrayList<>();

    /**
     * A table.
     *
     * @param facts of the device, which decide the columns
     * @param model what the kernels must take, if there is one and it knows the device
     */
    public DeviceTable(PrintWriter out, Facts facts, Optional<DeviceModel> model) {
        this.out = out;
        this.replays = facts.replays();
        this.device = facts.name();
        this.model = model.filter(one -> one.knows(facts.name()));
        if (!replays) {
            out.println("Replay of CUDA graphs: not available on " + facts.backend() + ".");
            out.println();
        }
        out.printf(
                "%-11s %-8s %11s %8s %8s %s%11s %s%14s %9s%n",
                "",
                "version",
                "kernels ms",
                "GB/s",
                "of copy",
                this.model.isPresent() ? " /model " : "",
                "execute ms",
                replays ? "replayed ms " : "",
                "transferred ms",
                "first ms");
        out.flush();
    }

    /** Begins a shape. */
    public void shape(BenchShape shape) {
        out.printf(
                Locale.ROOT, "%s, %s a tensor%n", shape, size(shape.batchShape().bytes()));
        out.flush();
    }

    /**
     * Adds a line, and one below it if several kernels shared the work.
     *
     * @param copy GB/s of the copy kernel on this shape
     */
    public void line(
            Operation operation,
            BenchShape shape,
            Timing resident,
            Optional<Timing> replayed,
            Optional<Timing> transferred,
            OptionalDouble copy) {
        OptionalDouble bandwidth = DeviceRows.bandwidth(operation, shape, resident);
        double share = bandwidth.orElse(Double.NaN) / copy.orElse(Double.NaN);
        out.printf(
                Locale.ROOT,
                "  %-9s %-8s %11.4f %8.1f %8s %s%11.4f %s%14s %9.0f%n",
                operation,
                resident.version().map(Version::label).orElse(""),
                resident.kernel().isPresent() ? resident.kernel().get().medianMillis() : Double.NaN,
                bandwidth.orElse(Double.NaN),
                operation.baseline() || Double.isNaN(share) ? "" : String.format(Locale.ROOT, "%.0f %%", 100 * share),
                model.isPresent() ? String.format("%7s ", overModel(operation, shape, resident)) : "",
                resident.wall().medianMillis(),
                replays ? String.format("%11s ", millis(replayed)) : "",
                millis(transferred),
                resident.firstMillis());
        if (resident.kernelMillis().size() > 1) {
            out.println(resident.kernelMillis().entrySet().stream()
                    .map(step -> String.format(Locale.ROOT, "%s %.4f", step.getKey(), step.getValue()))
                    .collect(Collectors.joining(", ", "      ", "")));
        }
        out.flush();
        if (!operation.baseline() && shape.batchShape().bytes() >= LARGE && !Double.isNaN(share)) {
            large.add(new Share(operation, shape, share));
        }
    }

    /** What could not be measured. */
    public void failure(Operation operation, Way way, String what) {
        out.printf("  %-9s %s FAILED: %s%n", operation, way.name().toLowerCase(Locale.ROOT), what);
        out.flush();
    }

    /** The least share of the copy's bandwidth of each operation, over the shapes that no cache holds. */
    public void summary() {
        List<String> least = new ArrayList<>();
        for (Operation operation : Operation.ofBatchNorm()) {
            large.stream()
                    .filter(share -> share.operation() == operation)
                    .min((one, other) -> Double.compare(one.value(), other.value()))
                    .ifPresent(share -> least.add(String.format(
                            Locale.ROOT, "%s %.0f %% (%s)", operation, 100 * share.value(), share.shape())));
        }
        if (!least.isEmpty()) {
            out.println();
            out.println("Least share of the copy's GB/s at 256 MiB and more: " + String.join(", ", least) + ".");
        }
        out.flush();
    }

    /** The kernels' time over the model's; empty for a copy. */
    private String overModel(Operation operation, BenchShape shape, Timing timing) {
        if (timing.version().isEmpty() || timing.kernel().isEmpty()) {
            return "";
        }
        double modelled = model.orElseThrow()
                .millis(device, operation, shape, timing.version().get());
        return String.format(Locale.ROOT, "%.2f", timing.kernel().get().medianMillis() / modelled);
    }

    private static String millis(Optional<Timing> timing) {
        return timing.map(present ->
                        String.format(Locale.ROOT, "%.4f", present.wall().medianMillis()))
                .orElse("-");
    }

    private static String size(long bytes) {
        return bytes >= 1 << 20
                ? String.format(Locale.ROOT, "%.1f MiB", bytes / (double) (1 << 20))
                : String.format(Locale.ROOT, "%.1f KiB", bytes / (double) (1 << 10));
    }

    private record Share(Operation operation, BenchShape shape, double value) {}
}
