package org.batchnorm.bench.jmh.results;

import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.batchnorm.bench.jmh.results.Measurement.Point;
import org.batchnorm.bench.jmh.results.Measurement.Result;
import org.batchnorm.bench.jmh.results.Ratios.Ratio;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.ShapeGrid;
import org.jspecify.annotations.Nullable;

/** Measurements as Markdown tables. */
public final class Tables {
    private static final String NONE = "–";
    private static final String DEFAULT_VARIANT = "vector";
    private static final String DEFAULT_MEMORY = "heap";

    private Tables() {}

    /** Every row of this project and of the baselines, with the fastest native peer beside it. */
    public static List<String> measurements(Collection<Measurement> rows) {
        List<String> lines = new ArrayList<>(
                List.of(
                        "| operation | shape | variant | memory | threads | ms | quartiles | best | GB/s | of copy | B/op | fastest peer | its ms | ratio | of best |",
                        "| --- | --- | --- | --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: |"));
        for (Measurement row : rows) {
            Point point = row.point();
            if (Ratios.NATIVE.contains(point.library()) || Ratios.JAVA.contains(point.library())) {
                continue;
            }
            Result result = row.result();
            @Nullable
            Ratio ratio = Ratios.fastestBeside(row, rows, Ratios.NATIVE)
                    .map(peer -> new Ratio(row, peer))
                    .orElse(null);
            lines.add("| "
                    + String.join(
                            " | ",
                            point.operation().label(),
                            point.shape().toString(),
                            point.phase().equals("steady")
                                    ? point.variant()
                                    : point.variant() + ", " + point.phase() + " call",
                            point.memory(),
                            point.device().equals("cpu") ? String.valueOf(point.threads()) : point.device(),
                            milliseconds(result.milliseconds()),
                            milliseconds(result.lowerQuartile()) + "–" + milliseconds(result.upperQuartile()),
                            milliseconds(result.best()),
                            format("%.1f", result.gigabytesPerSecond()),
                            result.copyShare() == null ? NONE : format("%.0f %%", 100 * result.copyShare()),
                            result.allocatedBytes() == null ? NONE : format("%.1f", result.allocatedBytes()),
                            ratio == null
                                    ? NONE
                                    : ratio.fastest().point().library() + " "
                                            + ratio.fastest().point().variant(),
                            ratio == null
                                    ? NONE
                                    : milliseconds(ratio.fastest().result().milliseconds()),
                            ratio == null ? NONE : format("%.2f", ratio.value()),
                            ratio == null ? NONE : format("%.2f", ratio.ofBest()))
                    + " |");
        }
        return lines;
    }

    /**
     * What a page of results shows, for each machine: where it was measured, our times at the networks' shapes, and the
     * ratios to the other libraries.
     *
     * @param rows of any number of runs; each point's newest on a machine counts
     */
    public static List<String> summary(Collection<Measurement> rows) {
        Map<String, List<Measurement>> byMachine = new LinkedHashMap<>();
        for (Measurement row : rows) {
            byMachine.computeIfAbsent(machine(row), name -> new ArrayList<>()).add(row);
        }
        List<String> lines = new ArrayList<>();
        byMachine.forEach((machine, measured) -> {
            if (!lines.isEmpty()) {
                lines.add("");
            }
            lines.add("### " + machine);
            lines.add("");
            lines.addAll(ofMachine(List.copyOf(Comparison.newest(measured).values())));
        });
        return lines;
    }

    private static List<String> ofMachine(List<Measurement> newest) {
        List<String> lines = new ArrayList<>(surroundings(newest));
        lines.addAll(onCpu(newest.stream()
                .filter(row -> row.point().device().equals("cpu")
                        && ShapeGrid.networks().contains(row.point().shape()))
                .toList()));
        newest.stream()
                .filter(Tables::ourKernels)
                .map(row -> row.point().device())
                .distinct()
                .forEach(device -> lines.addAll(onDevice(device, newest)));
        return lines;
    }

    private static List<String> onCpu(List<Measurement> networks) {
        List<String> lines = new ArrayList<>();
        if (networks.stream().noneMatch(row -> row.point().library().equals(Libraries.OURS))) {
            return lines;
        }
        lines.add("");
        String libraries = networks.stream()
                .map(row -> row.point().library())
                .filter(Ratios.NATIVE::contains)
                .distinct()
                .sorted()
                .collect(Collectors.joining(", "));
        lines.add("Time of the fastest native library (" + libraries + ") by ours, `float[]`; above 1 we are faster:");
        lines.add("");
        lines.addAll(ratios(Ratios.of(networks, DEFAULT_VARIANT, DEFAULT_MEMORY, Ratios.NATIVE)));
        for (String library : new TreeSet<>(Ratios.JAVA)) {
            List<Ratio> ratios = Ratios.of(networks, DEFAULT_VARIANT, DEFAULT_MEMORY, Set.of(library));
            if (!ratios.isEmpty()) {
                lines.add("");
                lines.add(means(library, ratios));
            }
        }
        lines.add("");
        lines.add(
                "Our milliseconds, and GB/s of the logical bytes (inference 2, forward 3, backward 5 tensors), all threads:");
        lines.add("");
        lines.addAll(times(networks));
        return lines;
    }

    /** Our kernels on a device by its own clock, PyTorch's beside them where it was measured. */
    private static List<String> onDevice(String device, List<Measurement> newest) {
        List<String> lines = new ArrayList<>(List.of(
                "",
                "Kernels on " + device + ", data resident, warm; last: PyTorch's time by ours, above 1 we are faster:",
                "",
                "| shape | operation | version | ms | GB/s | of copy | PyTorch eager | compiled |",
                "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |"));
        for (Measurement row : newest) {
            Point point = row.point();
            if (ourKernels(row) && point.device().equals(device)) {
                Double share = row.result().copyShare();
                lines.add("| "
                        + String.join(
                                " | ",
                                point.shape().toString(),
                                point.operation().label(),
                                point.variant(),
                                milliseconds(row.result().milliseconds()),
                                format("%.0f", row.result().gigabytesPerSecond()),
                                share == null ? NONE : format("%.0f %%", 100 * share),
                                pytorch(row, "eager", newest),
                                pytorch(row, "compiled", newest))
                        + " |");
            }
        }
        return lines;
    }

    private static boolean ourKernels(Measurement row) {
        Point point = row.point();
        return point.library().equals(Libraries.OURS)
                && point.memory().equals("device")
                && point.resident()
                && point.clock().equals("kernel")
                && point.phase().equals("steady");
    }

    private static String pytorch(Measurement ours, String variant, List<Measurement> rows) {
        return Ratios.fastestBeside(
                        ours,
                        rows.stream()
                                .filter(row -> row.point().variant().equals(variant))
                                .toList(),
                        Set.of("pytorch"))
                .map(peer -> format("%.2f", new Ratio(ours, peer).value()))
                .orElse(NONE);
    }

    private static String machine(Measurement row) {
        return row.run().machine() + ", " + row.run().cores() + " cores";
    }

    /** A line for each surrounding in which was measured, with the dates and commits. */
    private static List<String> surroundings(Collection<Measurement> rows) {
        Map<String, Set<String>> times = new LinkedHashMap<>();
        for (Measurement row : rows) {
            String surrounding =
                    runtime(row.run().java()) + ", " + version(row.run().os())
                            + (row.point().device().equals("cpu")
                                    ? ""
                                    : ", " + row.point().device());
            times.computeIfAbsent(surrounding, name -> new TreeSet<>())
                    .add(row.run().date().substring(0, 10) + " at commit "
                            + row.run().commit());
        }
        List<String> lines = new ArrayList<>();
        times.forEach((surrounding, measured) ->
                lines.add(surrounding + "; measured on " + String.join(", ", measured) + "."));
        return lines;
    }

    /** What ran it: a JDK by its version, or what {@code compare-pytorch.py} writes in its place. */
    private static String runtime(String java) {
        return java.startsWith("none (")
                ? java.substring("none (".length(), java.length() - 1)
                : "JDK " + version(java.substring(java.lastIndexOf(' ') + 1));
    }

    /** A name and version without what a build adds to it. */
    private static String version(String full) {
        return full.replaceFirst("(\\d+(\\.\\d+)*)\\S*", "$1");
    }

    private static String means(String library, List<Ratio> ratios) {
        List<String> means = new ArrayList<>();
        for (Operation operation : Operation.ofBatchNorm()) {
            Ratios.geometricMean(ratios.stream()
                            .filter(ratio -> ratio.ours().point().operation() == operation)
                            .toList())
                    .ifPresent(mean -> means.add(operation + " " + format("%.1f", mean)));
        }
        return "Beside " + library + " as its users call it, geometric means: " + String.join(", ", means) + ".";
    }

    private static List<String> times(List<Measurement> rows) {
        List<Measurement> ours = rows.stream()
                .filter(row -> row.point().library().equals(Libraries.OURS)
                        && row.point().variant().equals(DEFAULT_VARIANT)
                        && row.point().memory().equals(DEFAULT_MEMORY))
                .toList();
        int most = ours.stream().mapToInt(row -> row.point().threads()).max().orElse(1);
        Map<BenchShape, Map<Operation, Measurement>> byShape = new LinkedHashMap<>();
        for (Measurement row : ours) {
            if (row.point().threads() == most) {
                byShape.computeIfAbsent(row.point().shape(), shape -> new EnumMap<>(Operation.class))
                        .put(row.point().operation(), row);
            }
        }
        List<String> lines =
                new ArrayList<>(List.of("| shape | forward | inference | backward |", "| --- | ---: | ---: | ---: |"));
        byShape.forEach((shape, byOperation) -> {
            List<String> cells = new ArrayList<>(List.of(shape.toString()));
            for (Operation operation : Operation.ofBatchNorm()) {
                Measurement row = byOperation.get(operation);
                cells.add(
                        row == null
                                ? NONE
                                : milliseconds(row.result().milliseconds()) + " ms, "
                                        + format("%.0f", row.result().gigabytesPerSecond()) + " GB/s");
            }
            lines.add("| " + String.join(" | ", cells) + " |");
        });
        return lines;
    }

    /**
     * Ratios by shape: a column an operation, in a cell one ratio for each number of threads; below, the geometric
     * means and the smallest.
     *
     * @param ratios of one variant and memory
     */
    public static List<String> ratios(Collection<Ratio> ratios) {
        Set<BenchShape> shapes = new LinkedHashSet<>();
        Set<Integer> threads = new TreeSet<>();
        for (Ratio ratio : ratios) {
            shapes.add(ratio.ours().point().shape());
            threads.add(ratio.ours().point().threads());
        }
        String counts = String.join(
                " / ",
                threads.stream()
                        .map(count -> count == 1 ? "1 thread" : count + " threads")
                        .toList());
        List<String> lines = new ArrayList<>();
        lines.add("| shape (" + counts + ") | forward | inference | backward |");
        lines.add("| --- | ---: | ---: | ---: |");
        for (BenchShape shape : shapes) {
            lines.add(line(
                    shape.toString(),
                    threads,
                    (operation, count) -> ratios.stream()
                            .filter(ratio -> is(ratio, operation, count)
                                    && ratio.ours().point().shape().equals(shape))
                            .mapToDouble(Ratio::value)
                            .findFirst()));
        }
        lines.add(line(
                "**geometric mean**",
                threads,
                (operation, count) -> Ratios.geometricMean(ratios.stream()
                        .filter(ratio -> is(ratio, operation, count))
                        .toList())));
        lines.add(line(
                "**smallest**",
                threads,
                (operation, count) -> ratios.stream()
                        .filter(ratio -> is(ratio, operation, count))
                        .mapToDouble(Ratio::value)
                        .min()));
        return lines;
    }

    private static boolean is(Ratio ratio, Operation operation, int threads) {
        return ratio.ours().point().operation() == operation
                && ratio.ours().point().threads() == threads;
    }

    private static String line(String first, Set<Integer> threads, Cell cell) {
        List<String> cells = new ArrayList<>();
        cells.add(first);
        for (Operation operation : Operation.ofBatchNorm()) {
            List<String> values = new ArrayList<>();
            for (int count : threads) {
                OptionalDouble value = cell.of(operation, count);
                values.add(value.isPresent() ? format("%.2f", value.getAsDouble()) : NONE);
            }
            cells.add(String.join(" / ", values));
        }
        return "| " + String.join(" | ", cells) + " |";
    }

    private static String milliseconds(double value) {
        return format(value < 0.1 ? "%.5f" : value < 10 ? "%.3f" : "%.1f", value);
    }

    private static String format(String pattern, Object value) {
        return String.format(Locale.ROOT, pattern, value);
    }

    private interface Cell {
        OptionalDouble of(Operation operation, int threads);
    }
}
