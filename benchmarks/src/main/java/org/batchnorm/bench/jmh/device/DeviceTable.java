package org.batchnorm.bench.jmh.device;

import static org.batchnorm.bench.output.Cells.format;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.Collectors;
import org.batchnorm.bench.jmh.device.DeviceTimer.Facts;
import org.batchnorm.bench.jmh.device.DeviceTimer.Timing;
import org.batchnorm.bench.jmh.device.DeviceTimer.Version;
import org.batchnorm.bench.jmh.device.DeviceTimer.Way;
import org.batchnorm.bench.output.Column;
import org.batchnorm.bench.output.Columns;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;

/**
 * The table that {@code check-gpu} prints line by line: a block for each shape, in it a line for each operation and
 * version of the kernels.
 */
public final class DeviceTable {

    /** Bytes of one tensor from which on a shape counts in the summary: more than the caches of any GPU hold. */
    private static final long LARGE = 256L << 20;

    private final PrintWriter out;
    private final boolean replays;
    private final Columns<Line> columns;
    private final String device;
    private final Optional<DeviceModel> model;
    private final List<Line> large = new ArrayList<>();

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
        columns = columns();
        out.println(columns.plainHeader());
        out.flush();
    }

    private Columns<Line> columns() {
        List<Column<Line>> all = new ArrayList<>(List.of(
                Column.<Line>words("", line -> "  " + line.operation()).wide(11),
                Column.<Line>words("version", Line::version).wide(8),
                Column.<Line>numbers("kernels ms", line -> format("%.4f", line.kernels()))
                        .wide(11),
                Column.<Line>numbers("GB/s", line -> format("%.1f", line.bandwidth()))
                        .wide(8),
                Column.<Line>numbers("of copy", line -> line.hasShare() ? format("%.0f %%", 100 * line.share()) : "")
                        .wide(8)));
        model.ifPresent(known -> all.add(
                Column.<Line>numbers("/model", line -> overModel(known, line)).wide(7)));
        all.add(Column.<Line>numbers("execute ms", line -> millis(line.resident()))
                .wide(11));
        if (replays) {
            all.add(Column.<Line>numbers("replayed ms", line -> millis(line.replayed()))
                    .wide(11));
        }
        all.add(Column.<Line>numbers("transferred ms", line -> millis(line.transferred()))
                .wide(14));
        all.add(Column.<Line>numbers(
                        "first ms", line -> format("%.0f", line.timing().firstMillis()))
                .wide(9));
        return new Columns<>(all);
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
        double bandwidth = DeviceRows.bandwidth(operation, shape, resident).orElse(Double.NaN);
        double share = bandwidth / copy.orElse(Double.NaN);
        Line line = new Line(operation, shape, resident, replayed, transferred, bandwidth, share);
        out.println(columns.plain(line));
        if (resident.kernelMillis().size() > 1) {
            out.println(resident.kernelMillis().entrySet().stream()
                    .map(step -> String.format(Locale.ROOT, "%s %.4f", step.getKey(), step.getValue()))
                    .collect(Collectors.joining(", ", "      ", "")));
        }
        out.flush();
        if (line.hasShare() && shape.batchShape().bytes() >= LARGE) {
            large.add(line);
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
                    .filter(line -> line.operation() == operation)
                    .min(Comparator.comparingDouble(Line::share))
                    .ifPresent(
                            line -> least.add(format("%s %.0f %% (%s)", operation, 100 * line.share(), line.shape())));
        }
        if (!least.isEmpty()) {
            out.println();
            out.println("Least share of the copy's GB/s at 256 MiB and more: " + String.join(", ", least) + ".");
        }
        out.flush();
    }

    /** The kernels' time over the model's; empty for a copy. */
    private String overModel(DeviceModel known, Line line) {
        return line.timing()
                .version()
                .filter(version -> !Double.isNaN(line.kernels()))
                .map(version ->
                        format("%.2f", line.kernels() / known.millis(device, line.operation(), line.shape(), version)))
                .orElse("");
    }

    private static String millis(Optional<Timing> timing) {
        return timing.map(present -> format("%.4f", present.wall().medianMillis()))
                .orElse("-");
    }

    private static String size(long bytes) {
        return bytes >= 1 << 20
                ? String.format(Locale.ROOT, "%.1f MiB", bytes / (double) (1 << 20))
                : String.format(Locale.ROOT, "%.1f KiB", bytes / (double) (1 << 10));
    }

    /** One operation in one version of the kernels; NaN for what was not measured. */
    private record Line(
            Operation operation,
            BenchShape shape,
            Timing timing,
            Optional<Timing> replayed,
            Optional<Timing> transferred,
            double bandwidth,
            double share) {

        Optional<Timing> resident() {
            return Optional.of(timing);
        }

        String version() {
            return timing.version().map(Version::label).orElse("");
        }

        double kernels() {
            return timing.kernel().map(Samples::medianMillis).orElse(Double.NaN);
        }

        /** Whether it is an operation whose share of the copy's bandwidth is known. */
        boolean hasShare() {
            return !operation.baseline() && !Double.isNaN(share);
        }
    }
}
