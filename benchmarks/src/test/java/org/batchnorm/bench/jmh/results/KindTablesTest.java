package org.batchnorm.bench.jmh.results;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.batchnorm.bench.jmh.results.Measurement.Point;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Kind;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.data.ElementType;
import org.junit.jupiter.api.Test;

class KindTablesTest {
    private static final Kind HALF = new Kind(ElementType.FLOAT16, Fusion.NONE);
    private static final Kind FUSED = new Kind(ElementType.FLOAT32, Fusion.RESIDUAL_RELU);

    @Test
    void aTypeStandsBesideFloat32OfTheSameRun() {
        Measurement float32 = row("1", Operation.FORWARD, Libraries.OURS, "vector", Kind.PLAIN, 2);
        Measurement half = row("1", Operation.FORWARD, Libraries.OURS, "vector", HALF, 1);

        assertThat(KindTables.types(List.of(float32, half)))
                .containsExactly(
                        "| operation | shape | fused | variant | memory | threads | float32 | float16 |",
                        "| --- | --- | --- | --- | --- | ---: | ---: | ---: |",
                        "| forward | 64x4 | none | vector | heap | 1 | 2.000 | 1.000 (0.50) |");
        assertThat(KindTables.byFloat32(List.of(half, float32))).containsExactly(Map.entry(half, 0.5));
    }

    @Test
    void withoutFloat32InTheSameRunThereIsNothingToCompareWith() {
        Measurement float32 = row("1", Operation.FORWARD, Libraries.OURS, "vector", Kind.PLAIN, 2);
        Measurement other = row("2", Operation.FORWARD, Libraries.OURS, "vector", HALF, 1);
        Measurement backward = row("1", Operation.BACKWARD, Libraries.OURS, "vector", HALF, 1);

        assertThat(KindTables.types(List.of(float32, other, backward))).isEmpty();
        assertThat(KindTables.byFloat32(List.of(float32, other, backward))).isEmpty();
    }

    @Test
    void whatIsFusedStandsBesideSeparatePassesAndTheFastestOfALibrarysWays() {
        List<Measurement> rows = List.of(
                row("1", Operation.FORWARD, Libraries.OURS, "vector", FUSED, 1),
                row("1", Operation.FORWARD, "libtorch", "eager", FUSED, 6),
                row("1", Operation.FORWARD, "libtorch", "out", FUSED, 5),
                row("1", Operation.FORWARD, Libraries.OURS, "vector-separate", FUSED, 1.5),
                row("1", Operation.BACKWARD, Libraries.OURS, "vector", FUSED, 3),
                row("1", Operation.BACKWARD, Libraries.OURS, "vector-separate", FUSED, 4.5),
                row("1", Operation.FORWARD, Libraries.OURS, "vector", Kind.PLAIN, 0.5));

        assertThat(KindTables.fused(rows))
                .containsExactly(
                        "| fused | shape | threads | who | forward | inference | backward | forward + backward |",
                        "| --- | --- | ---: | --- | ---: | ---: | ---: | ---: |",
                        "| residual+relu | 64x4 | 1 | vector | 1.000 (1.00) | – | 3.000 (1.00) | 4.000 (1.00) |",
                        "| residual+relu | 64x4 | 1 | libtorch | 5.000 (5.00) | – | – | – |",
                        "| residual+relu | 64x4 | 1 | vector-separate | 1.500 (1.50) | – | 4.500 (1.50) | 6.000 (1.50) |");
    }

    @Test
    void separatePassesStandBesideWhatIsFusedOnTheSameMemory() {
        List<Measurement> rows = List.of(
                row(Operation.FORWARD, "native", "vector", 2),
                row(Operation.FORWARD, "native", "vector-separate", 3),
                row(Operation.FORWARD, "heap", "vector", 1));

        assertThat(KindTables.fused(rows))
                .contains(
                        "| residual+relu | 64x4 | 1 | vector native | 2.000 (1.00) | – | – | – |",
                        "| residual+relu | 64x4 | 1 | vector-separate native | 3.000 (1.50) | – | – | – |");
    }

    @Test
    void whatIsColdOrAFirstCallStandsApart() {
        Measurement warm = row(Operation.FORWARD, "heap", "vector", 2);
        Point half = warm.point().of(HALF);
        Point float32 = warm.point().of(Kind.PLAIN);
        List<Measurement> rows = List.of(
                warm,
                row(warm.point().withCache("cold"), 5),
                row(warm.point().inPhase("first"), 7),
                row(float32, 2),
                row(half, 1),
                row(float32.withCache("cold"), 8),
                row(half.withCache("cold"), 6));

        assertThat(KindTables.fused(rows))
                .endsWith(
                        "| residual+relu | 64x4 | 1 | vector | 2.000 (1.00) | – | – | – |",
                        "| residual+relu | 64x4, cold | 1 | vector | 5.000 (1.00) | – | – | – |",
                        "| residual+relu | 64x4, first call | 1 | vector | 7.000 (1.00) | – | – | – |");
        assertThat(KindTables.types(rows))
                .endsWith(
                        "| forward | 64x4 | none | vector | heap | 1 | 2.000 | 1.000 (0.50) |",
                        "| forward | 64x4, cold | none | vector | heap | 1 | 8.000 | 6.000 (0.75) |");
    }

    private static Measurement row(Point point, double milliseconds) {
        return new Measurement(point, Rows.run("1"), Rows.result(point, milliseconds));
    }

    private static Measurement row(Operation operation, String memory, String variant, double milliseconds) {
        Point point = Point.onCpu(operation, BenchShape.of(64, 4), memory, Libraries.OURS, variant, 1)
                .of(FUSED);
        return new Measurement(point, Rows.run("1"), Rows.result(point, milliseconds));
    }

    @Test
    void plainRowsHaveNoTableOfTheirOwn() {
        List<Measurement> rows = List.of(row("1", Operation.FORWARD, Libraries.OURS, "vector", Kind.PLAIN, 1));
        assertThat(KindTables.types(rows)).isEmpty();
        assertThat(KindTables.fused(rows)).isEmpty();
    }

    private static Measurement row(
            String run, Operation operation, String library, String variant, Kind kind, double milliseconds) {
        String memory = library.equals(Libraries.OURS) ? "heap" : "native";
        Point point = Point.onCpu(operation, BenchShape.of(64, 4), memory, library, variant, 1)
                .of(kind);
        return new Measurement(point, Rows.run(run), Rows.result(point, milliseconds));
    }
}
