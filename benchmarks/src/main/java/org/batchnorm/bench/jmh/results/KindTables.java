package org.batchnorm.bench.jmh.results;

import static org.batchnorm.bench.output.Cells.NONE;
import static org.batchnorm.bench.output.Cells.format;
import static org.batchnorm.bench.output.Cells.milliseconds;
import static org.batchnorm.bench.output.Column.numbers;
import static org.batchnorm.bench.output.Column.words;

import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.batchnorm.bench.jmh.results.Measurement.Point;
import org.batchnorm.bench.output.Column;
import org.batchnorm.bench.output.Columns;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Kind;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.data.ElementType;

/**
 * What other element types bring, and what fusing brings: rows of one run side by side. Rows of several runs are not
 * compared.
 */
public final class KindTables {
    private KindTables() {}

    /** By everything but the type: one run's rows that are compared. */
    private record Beside(String run, Point float32) {
        static Beside of(Measurement row) {
            Fusion fusion = row.point().kind().fusion();
            return new Beside(row.run().id(), row.point().of(new Kind(ElementType.FLOAT32, fusion)));
        }
    }

    /**
     * Our milliseconds by element type: a column a type, with the ratio to float32's behind those of others; below 1
     * the type is faster. Empty where no operation was measured with float32 and another type.
     */
    public static List<String> types(Collection<Measurement> rows) {
        Map<Beside, Map<ElementType, Measurement>> lines = byType(rows);
        if (lines.isEmpty()) {
            return List.of();
        }
        Set<ElementType> types = new TreeSet<>();
        lines.values().forEach(line -> types.addAll(line.keySet()));
        List<Column<Map<ElementType, Measurement>>> columns = new ArrayList<>(List.of(
                words("operation", line -> float32(line).operation().label()),
                words("shape", line -> shape(float32(line))),
                words("fused", line -> float32(line).kind().fusion().label()),
                words("variant", line -> float32(line).variant()),
                words("memory", line -> float32(line).memory()),
                numbers("threads", line -> String.valueOf(float32(line).threads()))));
        types.forEach(type -> columns.add(numbers(Kind.label(type), line -> ofType(line, type))));
        return new Columns<>(columns).markdown(lines.values());
    }

    private static Point float32(Map<ElementType, Measurement> line) {
        return row(line, ElementType.FLOAT32).point();
    }

    private static String ofType(Map<ElementType, Measurement> line, ElementType type) {
        if (!line.containsKey(type)) {
            return NONE;
        }
        double time = row(line, type).result().milliseconds();
        return type == ElementType.FLOAT32
                ? milliseconds(time)
                : cell(time, row(line, ElementType.FLOAT32).result().milliseconds());
    }

    private static String cell(double time, double of) {
        return milliseconds(time) + format(" (%.2f)", time / of);
    }

    private static Measurement row(Map<ElementType, Measurement> line, ElementType type) {
        Measurement row = line.get(type);
        if (row == null) {
            throw new IllegalStateException("no row of " + type + " among " + line.keySet());
        }
        return row;
    }

    /** The time of each of our rows of another type by that of float32 in the same run, where there is one. */
    static Map<Measurement, Double> byFloat32(Collection<Measurement> rows) {
        Map<Measurement, Double> ratios = new LinkedHashMap<>();
        byType(rows)
                .values()
                .forEach(line -> line.forEach((type, row) -> {
                    if (type != ElementType.FLOAT32) {
                        double float32 = row(line, ElementType.FLOAT32).result().milliseconds();
                        ratios.put(row, row.result().milliseconds() / float32);
                    }
                }));
        return ratios;
    }

    /** Our operations that were measured with float32 and with another type. */
    private static Map<Beside, Map<ElementType, Measurement>> byType(Collection<Measurement> rows) {
        Map<Beside, Map<ElementType, Measurement>> lines = new LinkedHashMap<>();
        for (Measurement row : rows) {
            if (row.point().library().equals(Libraries.OURS)) {
                lines.computeIfAbsent(Beside.of(row), key -> new EnumMap<>(ElementType.class))
                        .put(row.point().kind().type(), row);
            }
        }
        lines.values().removeIf(line -> line.size() < 2 || !line.containsKey(ElementType.FLOAT32));
        return lines;
    }

    /** A shape, and how its rows were measured where that was not warm and again and again. */
    private static String shape(Point point) {
        return point.shape()
                + (point.cache().equals("warm") ? "" : ", " + point.cache())
                + (point.phase().equals("steady") ? "" : ", " + point.phase() + " call");
    }

    /** What was fused on which {@link #shape}, with float32 on the CPU. */
    private record Case(String run, Fusion fusion, String shape, int threads) {}

    /**
     * One line of the table of what is fused.
     *
     * @param who ours, ours in separate passes, or a library, the fastest of its ways for each operation
     * @param times milliseconds by operation
     * @param fused those of ours, fused
     */
    private record Line(Case of, String who, Map<Operation, Double> times, Map<Operation, Double> fused) {
        String time(Operation operation) {
            return times.containsKey(operation) ? cell(operation, operation) : NONE;
        }

        String step() {
            return times.containsKey(Operation.FORWARD) && times.containsKey(Operation.BACKWARD)
                    ? cell(Operation.FORWARD, Operation.BACKWARD)
                    : NONE;
        }

        private String cell(Operation first, Operation last) {
            double time = sum(times, first, last);
            double ours = sum(fused, first, last);
            return ours > 0 ? KindTables.cell(time, ours) : milliseconds(time);
        }

        /** 0 where one was not measured. */
        private static double sum(Map<Operation, Double> of, Operation first, Operation last) {
            if (!of.containsKey(first) || !of.containsKey(last)) {
                return 0;
            }
            return of.getOrDefault(first, 0.0) + (first == last ? 0 : of.getOrDefault(last, 0.0));
        }
    }

    /**
     * What was measured fused, ours and in separate passes, and other libraries: milliseconds, and behind them the
     * ratio to ours, fused, of the same backend and memory; of a library to ours on the heap. Above 1 ours, fused, is
     * faster. Empty where nothing was measured.
     */
    public static List<String> fused(Collection<Measurement> rows) {
        Map<Case, Map<String, Map<Operation, Double>>> cases = new LinkedHashMap<>();
        Set<String> ours = new HashSet<>();
        for (Measurement row : rows) {
            Point point = row.point();
            Kind kind = point.kind();
            if (kind.fusion() != Fusion.NONE && kind.type() == ElementType.FLOAT32 && point.threads() > 0) {
                cases.computeIfAbsent(
                                new Case(row.run().id(), kind.fusion(), shape(point), point.threads()),
                                key -> new LinkedHashMap<>())
                        .computeIfAbsent(who(point), key -> new EnumMap<>(Operation.class))
                        .merge(point.operation(), row.result().milliseconds(), Math::min);
                if (point.library().equals(Libraries.OURS)) {
                    ours.add(who(point));
                }
            }
        }
        List<Line> lines = new ArrayList<>();
        cases.forEach((of, all) -> all.forEach((who, times) -> {
            String fused = ours.contains(who) ? who.replace(Libraries.SEPARATE, "") : Tables.DEFAULT_VARIANT;
            lines.add(new Line(of, who, times, all.getOrDefault(fused, Map.of())));
        }));
        return lines.isEmpty()
                ? List.of()
                : Columns.<Line>of(
                                words("fused", line -> line.of().fusion().label()),
                                words("shape", line -> line.of().shape()),
                                numbers(
                                        "threads",
                                        line -> String.valueOf(line.of().threads())),
                                words("who", Line::who),
                                numbers("forward", line -> line.time(Operation.FORWARD)),
                                numbers("inference", line -> line.time(Operation.INFERENCE)),
                                numbers("backward", line -> line.time(Operation.BACKWARD)),
                                numbers("forward + backward", Line::step))
                        .markdown(lines);
    }

    private static String who(Point point) {
        if (!point.library().equals(Libraries.OURS)) {
            return point.library();
        }
        return point.variant() + (point.memory().equals(Tables.DEFAULT_MEMORY) ? "" : " " + point.memory());
    }
}
