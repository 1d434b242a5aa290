package org.batchnorm.bench.tornadovm.model;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.batchnorm.bench.output.Column;
import org.batchnorm.bench.output.Columns;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;

/** The model as a table, in Markdown: a line for each kernel of each shape, a column for each GPU. */
final class ModelTable {

    /**
     * A textbook layer; about the most that stay on chip; medium; large; few features; planes: small, medium, large.
     */
    static final List<String> SHAPES = List.of(
            "60x100",
            "600x256",
            "1024x256",
            "4096x256",
            "65536x1024",
            "8388608x8",
            "64x2048x7x7",
            "64x256x14x14",
            "64x256x64x64");

    /** From so many times what its memory needs on, a kernel is called slow. */
    private static final double SLOW = 1.15;

    private ModelTable() {}

    static String markdown() {
        List<Column<Line>> columns = new ArrayList<>(List.of(
                Column.words("shape", Line::shape),
                Column.words("kernel", line -> line.first().kernel())));
        for (int gpu = 0; gpu < Gpu.ALL.size(); gpu++) {
            int index = gpu;
            columns.add(Column.words(Gpu.ALL.get(gpu).name(), line -> {
                KernelTime time = line.times().get(index);
                return format("%.1f %s", time.micros(), time.limit());
            }));
        }
        columns.add(Column.words("resident", Line::occupancy));
        return new Columns<>(columns)
                .markdown(lines()).stream().map(line -> line + "\n").collect(Collectors.joining());
    }

    private static List<Line> lines() {
        List<Line> lines = new ArrayList<>();
        for (String shape : SHAPES) {
            for (Operation operation : Operation.ofBatchNorm()) {
                List<List<KernelTime>> byGpu = Gpu.ALL.stream()
                        .map(gpu -> GpuModel.kernels(operation, BenchShape.parse(shape), gpu))
                        .toList();
                for (int kernel = 0; kernel < byGpu.getFirst().size(); kernel++) {
                    int index = kernel;
                    lines.add(new Line(
                            shape, byGpu.stream().map(all -> all.get(index)).toList()));
                }
            }
        }
        return lines;
    }

    /** One kernel on one shape, on each GPU. */
    private record Line(String shape, List<KernelTime> times) {
        KernelTime first() {
            return times.getFirst();
        }

        String occupancy() {
            return times.stream()
                    .map(time -> format("%.0f", 100 * time.occupancy()))
                    .collect(Collectors.joining(", ", "", " %"));
        }
    }

    /** What takes longer than its memory: kernels, by what holds them up, and operations that are mostly launches. */
    static String slow() {
        Map<String, List<String>> found = new LinkedHashMap<>();
        for (String shape : SHAPES) {
            for (Operation operation : Operation.ofBatchNorm()) {
                for (Gpu gpu : Gpu.ALL) {
                    List<KernelTime> kernels = GpuModel.kernels(operation, BenchShape.parse(shape), gpu);
                    kernels.stream()
                            .filter(ModelTable::isSlow)
                            .forEach(time -> found.computeIfAbsent(
                                            time.kernel() + " by " + time.limit(), key -> new ArrayList<>())
                                    .add(format("%s on %s %.1f", shape, gpu.name(), time.micros() / time.needed())));
                    double all =
                            kernels.stream().mapToDouble(KernelTime::micros).sum();
                    double launches = kernels.size() * gpu.launchMicros();
                    if (launches > all / 2) {
                        found.computeIfAbsent(operation + " mostly launches", key -> new ArrayList<>())
                                .add(format("%s on %s %.1f of %.1f µs", shape, gpu.name(), launches, all));
                    }
                }
            }
        }
        return found.entrySet().stream()
                .map(entry -> "- " + entry.getKey() + ": " + String.join("; ", entry.getValue()) + "\n")
                .collect(Collectors.joining("", "How many times as long as launch and memory take:\n\n", ""));
    }

    private static boolean isSlow(KernelTime time) {
        return !time.limit().equals("launch") && time.micros() > SLOW * time.needed();
    }

    @SuppressWarnings("AnnotateFormatMethod") // Tests make every line.
    private static String format(String words, Object... values) {
        return String.format(Locale.ROOT, words, values);
    }
}
