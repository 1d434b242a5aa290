package org.batchnorm.bench.jmh.results;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.batchnorm.bench.jmh.results.Measurement.Point;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;
import org.junit.jupiter.api.Test;

class ComparisonTest {
    private static final double TOLERANCE = 0.05;
    private static final Point POINT =
            Point.onCpu(Operation.FORWARD, BenchShape.parse("256x256"), "heap", Libraries.OURS, "vector", 1);

    @Test
    void slowerByMoreThanTheToleranceAndTheQuartilesIsSlower() {
        Comparison comparison = compare(ours("1", 1.0), ours("2", 1.2));
        assertThat(comparison.slower()).singleElement().satisfies(change -> {
            assertThat(change.point()).isEqualTo(POINT);
            assertThat(change.factor()).isCloseTo(1.2, within(1e-9));
        });
        assertThat(comparison.faster()).isEmpty();
    }

    @Test
    void fasterIsFaster() {
        Comparison comparison = compare(ours("1", 1.2), ours("2", 1.0));
        assertThat(comparison.slower()).isEmpty();
        assertThat(comparison.faster()).hasSize(1);
    }

    @Test
    void aChangeWithinTheToleranceIsNone() {
        Comparison comparison = compare(ours("1", 1.0), ours("2", 1.04));
        assertThat(comparison.compared()).isEqualTo(1);
        assertThat(comparison.slower()).isEmpty();
        assertThat(comparison.faster()).isEmpty();
    }

    @Test
    void aChangeWithinTheQuartilesIsNoise() {
        Measurement noisy = new Measurement(POINT, Rows.run("1"), Rows.result(POINT, 0.8, 0.9, 1.0, 1.3, 1.4));
        assertThat(compare(noisy, ours("2", 1.2)).slower()).isEmpty();
        assertThat(compare(noisy, ours("2", 1.4)).slower()).hasSize(1);
    }

    @Test
    void whatTheMachineLostIsTakenOut() {
        List<Measurement> before = List.of(
                ours("1", 1.0),
                Rows.copy(Rows.run("1"), "256x256", 1, 1.0),
                Rows.peer(Rows.run("1"), "onednn", "ab", Operation.FORWARD, "256x256", 1, 1.0));
        List<Measurement> after = List.of(
                ours("2", 1.3),
                Rows.copy(Rows.run("2"), "256x256", 1, 1.2),
                Rows.peer(Rows.run("2"), "onednn", "ab", Operation.FORWARD, "256x256", 1, 1.4));

        Comparison comparison = Comparison.of(before, after, TOLERANCE);

        assertThat(comparison.drift()).isCloseTo(1.3, within(1e-9));
        assertThat(comparison.slower()).isEmpty();
    }

    @Test
    void theNewestRowOfEachFileCounts() {
        Comparison comparison =
                Comparison.of(List.of(ours("2", 1.0), ours("1", 5.0)), List.of(ours("3", 1.0)), TOLERANCE);
        assertThat(comparison.faster()).isEmpty();
    }

    @Test
    void whatIsGoneIsNamedAndOthersMachinesAre() {
        Measurement gone = Rows.ours(Rows.run("1"), Operation.BACKWARD, "8x2048", 1, 1.0);
        Comparison comparison = Comparison.of(List.of(ours("1", 1.0), gone), List.of(ours("2", 1.0)), TOLERANCE);
        assertThat(comparison.missing()).containsExactly(gone.point());
        assertThat(comparison.machines()).containsExactly("machine, 2 cores");
    }

    @Test
    void aNegativeToleranceIsRefused() {
        assertThatThrownBy(() -> Comparison.of(List.of(), List.of(), -0.1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("tolerance: -0.1");
    }

    private static Comparison compare(Measurement before, Measurement after) {
        return Comparison.of(List.of(before), List.of(after), TOLERANCE);
    }

    private static Measurement ours(String run, double milliseconds) {
        return Rows.ours(Rows.run(run), Operation.FORWARD, "256x256", 1, milliseconds);
    }
}
