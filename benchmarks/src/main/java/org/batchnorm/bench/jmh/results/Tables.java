package org.batchnorm.bench.jmh.results;

import static org.batchnorm.bench.output.Cells.NONE;
import static org.batchnorm.bench.output.Cells.format;
import static org.batchnorm.bench.output.Cells.formatted;
import static org.batchnorm.bench.output.Cells.milliseconds;
import static org.batchnorm.bench.output.Cells.percent;
import static org.batchnorm.bench.output.Column.numbers;
import static org.batchnorm.bench.output.Column.words;

import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.batchnorm.bench.jmh.results.Measurement.Point;
import org.batchnorm.bench.jmh.results.Ratios.Ratio;
import org.batchnorm.bench.output.Column;
import org.batchnorm.bench.output.Columns;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;
import org.jspecify.annotations.Nullable;

/** Measurements as Markdown tables, each made from its columns. */
public final class Tables {
    static final String DEFAULT_VARIANT = "vector";
    static final String DEFAULT_MEMORY = "heap";

    private static final Columns<Beside> MEASUREMENTS = Columns.of(
            words("operation", row -> row.point().operation().label()),
            words("shape", row -> row.point().shape().toString()),
            words("variant", row -> variant(row.point())),
            words("memory", row -> row.point().memory()),
            numbers(
                    "threads",
                    row -> row.point().device().equals("cpu")
                            ? String.valueOf(row.point().threads())
                            : row.point().device()),
            numbers("ms", row -> milliseconds(row.ours().result().milliseconds())),
            words(
                    "quartiles",
                    row -> milliseconds(row.ours().result().lowerQuartile()) + "–"
                            + milliseconds(row.ours().result().upperQuartile())),
            numbers("best", row -> milliseconds(row.ours().result().best())),
            numbers("GB/s", row -> format("%.1f", row.ours().result().gigabytesPerSecond())),
            numbers("of copy", row -> percent(row.ours().result().copyShare())),
            numbers("of floor", row -> percent(row.ours().result().floorShare())),
            numbers("B/op", row -> formatted("%.1f", row.ours().result().allocatedBytes())),
            words(
                    "fastest peer",
                    row -> row.peer(
                            peer -> peer.point().library() + " " + peer.point().variant())),
            numbers("its ms", row -> row.peer(peer -> milliseconds(peer.result().milliseconds()))),
            numbers("ratio", row -> row.peer(peer -> format("%.2f", new Ratio(row.ours(), peer).value()))),
            numbers("of best", row -> row.peer(peer -> format("%.2f", new Ratio(row.ours(), peer).ofBest()))));

    private Tables() {}

    /** One of our rows or a baseline's, and the fastest native peer's beside it. */
    private record Beside(Measurement ours, Optional<Measurement> fastest) {
        Point point() {
            return ours.point();
        }

        String peer(Function<Measurement, String> cell) {
            return fastest.map(cell).orElse(NONE);
        }
    }

    /** Every row of this project and of the baselines, with the fastest native peer beside it. */
    public static List<String> measurements(Collection<Measurement> rows) {
        return MEASUREMENTS.markdown(rows.stream()
                .filter(row -> !Ratios.NATIVE.contains(row.point().library())
                        && !Ratios.JAVA.contains(row.point().library()))
                .map(row -> new Beside(row, Ratios.fastestBeside(row, rows, Ratios.NATIVE)))
                .toList());
    }

    private static String variant(Point point) {
        return point.variant()
                + (point.kind().isPlain() ? "" : ", " + point.kind())
                + (point.phase().equals("steady") ? "" : ", " + point.phase() + " call");
    }

    /**
     * Our kernels on a device.
     *
     * @param ours their rows
     * @param all rows among which are PyTorch's
     */
    static List<String> kernels(List<Measurement> ours, List<Measurement> all) {
        return Columns.<Measurement>of(
                        words("shape", row -> row.point().shape().toString()),
                        words("operation", row -> row.point().operation().label()),
                        words("version", row -> row.point().variant()),
                        numbers("ms", row -> milliseconds(row.result().milliseconds())),
                        numbers("GB/s", row -> format("%.0f", row.result().gigabytesPerSecond())),
                        numbers("of copy", row -> percent(row.result().copyShare())),
                        numbers("PyTorch eager", row -> pytorch(row, "eager", all)),
                        numbers("compiled", row -> pytorch(row, "compiled", all)))
                .markdown(ours);
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

    /** Our times on as many threads as were measured: a line a shape, a column an operation. */
    static List<String> times(List<Measurement> rows) {
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
        return new Columns<BenchShape>(anOperationEach(
                        words("shape", BenchShape::toString),
                        (shape, operation) ->
                                time(byShape.getOrDefault(shape, Map.of()).get(operation))))
                .markdown(byShape.keySet());
    }

    private static String time(@Nullable Measurement row) {
        return row == null
                ? NONE
                : milliseconds(row.result().milliseconds()) + " ms, "
                        + format("%.0f", row.result().gigabytesPerSecond()) + " GB/s";
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
        List<Line> lines = new ArrayList<>();
        for (BenchShape shape : shapes) {
            lines.add(new Line(
                    shape.toString(),
                    (operation, count) -> ratios.stream()
                            .filter(ratio -> is(ratio, operation, count)
                                    && ratio.ours().point().shape().equals(shape))
                            .mapToDouble(Ratio::value)
                            .findFirst()));
        }
        lines.add(new Line(
                "**geometric mean**",
                (operation, count) -> Ratios.geometricMean(ratios.stream()
                        .filter(ratio -> is(ratio, operation, count))
                        .toList())));
        lines.add(new Line(
                "**smallest**",
                (operation, count) -> ratios.stream()
                        .filter(ratio -> is(ratio, operation, count))
                        .mapToDouble(Ratio::value)
                        .min()));
        return byThreads(threads, lines);
    }

    /**
     * Shares of the floor by shape: a column an operation, in a cell one share for each number of threads.
     *
     * @param rows of one variant and memory
     */
    static List<String> floors(Collection<Measurement> rows) {
        Map<BenchShape, Line> lines = new LinkedHashMap<>();
        Set<Integer> threads = new TreeSet<>();
        for (Measurement row : rows) {
            threads.add(row.point().threads());
            BenchShape shape = row.point().shape();
            lines.computeIfAbsent(
                    shape,
                    key -> new Line(
                            key.toString(),
                            (operation, count) -> rows.stream()
                                    .filter(other -> other.point().shape().equals(key)
                                            && other.point().operation() == operation
                                            && other.point().threads() == count)
                                    .flatMap(other ->
                                            Stream.ofNullable(other.result().floorShare()))
                                    .mapToDouble(Double::doubleValue)
                                    .findFirst()));
        }
        return byThreads(threads, lines.values());
    }

    /** A column an operation, in a cell one value for each number of threads. */
    private static List<String> byThreads(Set<Integer> threads, Collection<Line> lines) {
        String counts = threads.stream()
                .map(count -> count == 1 ? "1 thread" : count + " threads")
                .collect(Collectors.joining(" / "));
        return new Columns<Line>(anOperationEach(
                        words("shape (" + counts + ")", Line::name),
                        (line, operation) -> threads.stream()
                                .map(count -> line.value().of(operation, count))
                                .map(value -> value.isPresent() ? format("%.2f", value.getAsDouble()) : NONE)
                                .collect(Collectors.joining(" / "))))
                .markdown(lines);
    }

    /** The first column, then one for each operation. */
    private static <R> List<Column<R>> anOperationEach(Column<R> first, BiFunction<R, Operation, String> cell) {
        List<Column<R>> columns = new ArrayList<>(List.of(first));
        for (Operation operation : Operation.ofBatchNorm()) {
            columns.add(numbers(operation.label(), row -> cell.apply(row, operation)));
        }
        return columns;
    }

    private static boolean is(Ratio ratio, Operation operation, int threads) {
        return ratio.ours().point().operation() == operation
                && ratio.ours().point().threads() == threads;
    }

    /** A line of the ratios' table. */
    private record Line(String name, Value value) {}

    private interface Value {
        OptionalDouble of(Operation operation, int threads);
    }
}
