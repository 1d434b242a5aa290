package org.batchnorm.bench.jmh.results;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.batchnorm.bench.jmh.results.Measurement.Point;
import org.batchnorm.bench.jmh.results.Ratios.Ratio;
import org.batchnorm.bench.output.Cells;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.ShapeGrid;

/** What a page of results shows: for each machine the {@link Tables} with a line of words above each. */
public final class ResultsPage {
    private ResultsPage() {}

    /**
     * For each machine: where it was measured, our times at the networks' shapes, and the ratios to the other
     * libraries.
     *
     * @param rows of any number of runs; each point's newest on a machine counts
     */
    public static List<String> of(Collection<Measurement> rows) {
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
        List<Measurement> networks = newest.stream()
                .filter(row -> row.point().device().equals("cpu")
                        && ShapeGrid.networks().contains(row.point().shape()))
                .toList();
        lines.addAll(onCpu(
                networks.stream().filter(row -> row.point().kind().isPlain()).toList()));
        lines.addAll(section(
                "Our milliseconds by element type, and by those of float32 in the same run:",
                KindTables.types(networks)));
        lines.addAll(section(
                "Milliseconds of what is fused, and by those of ours, fused, in the same run:",
                KindTables.fused(networks)));
        newest.stream()
                .filter(ResultsPage::ourKernels)
                .map(row -> row.point().device())
                .distinct()
                .forEach(device -> lines.addAll(onDevice(device, newest)));
        return lines;
    }

    private static List<String> section(String heading, List<String> table) {
        List<String> lines = new ArrayList<>();
        if (!table.isEmpty()) {
            lines.addAll(List.of("", heading, ""));
            lines.addAll(table);
        }
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
        lines.addAll(Tables.ratios(Ratios.of(networks, Tables.DEFAULT_VARIANT, Tables.DEFAULT_MEMORY, Ratios.NATIVE)));
        for (String library : new TreeSet<>(Ratios.JAVA)) {
            List<Ratio> ratios = Ratios.of(networks, Tables.DEFAULT_VARIANT, Tables.DEFAULT_MEMORY, Set.of(library));
            if (!ratios.isEmpty()) {
                lines.add("");
                lines.add(means(library, ratios));
            }
        }
        lines.addAll(floors(networks));
        lines.add("");
        lines.add(
                "Our milliseconds, and GB/s of the logical bytes (inference 2, forward 3, backward 5 tensors), all threads:");
        lines.add("");
        lines.addAll(Tables.times(networks));
        return lines;
    }

    /** Where the floors were measured, our share of them. */
    private static List<String> floors(List<Measurement> networks) {
        List<Measurement> shares = networks.stream()
                .filter(row -> row.point().library().equals(Libraries.OURS)
                        && row.point().variant().equals(Tables.DEFAULT_VARIANT)
                        && row.point().memory().equals(Tables.DEFAULT_MEMORY)
                        && row.result().floorShare() != null)
                .toList();
        if (shares.isEmpty()) {
            return List.of();
        }
        List<String> lines = new ArrayList<>(List.of(
                "",
                "Share of the floor: the time of the passes over memory that it cannot do without, in plain Java,"
                        + " by ours, `float[]`; 1 is as fast as it can be:",
                ""));
        lines.addAll(Tables.floors(shares));
        return lines;
    }

    /** Our kernels on a device by its own clock, PyTorch's beside them where it was measured. */
    private static List<String> onDevice(String device, List<Measurement> newest) {
        List<String> lines = new ArrayList<>(List.of(
                "",
                "Kernels on " + device + ", data resident, warm; last: PyTorch's time by ours, above 1 we are faster:",
                ""));
        lines.addAll(Tables.kernels(
                newest.stream()
                        .filter(row -> ourKernels(row) && row.point().device().equals(device))
                        .toList(),
                newest));
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
                    .ifPresent(mean -> means.add(operation + " " + Cells.format("%.1f", mean)));
        }
        return "Beside " + library + " as its users call it, geometric means: " + String.join(", ", means) + ".";
    }
}
