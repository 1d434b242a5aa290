package org.batchnorm.bench.jmh.results;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.Set;
import org.batchnorm.bench.jmh.results.Measurement.Run;
import org.batchnorm.bench.jmh.results.Ratios.Ratio;
import org.batchnorm.bench.workload.Operation;
import org.junit.jupiter.api.Test;

class RatiosTest {
    private final Run run = Rows.run("1");

    @Test
    void theFastestVariantOfTheFastestPeerCounts() {
        Measurement ours = Rows.ours(run, Operation.FORWARD, "256x256", 1, 2);
        Measurement fastest = Rows.peer(run, "onednn", "acdb", Operation.FORWARD, "256x256", 1, 3);
        List<Ratio> ratios = Ratios.of(
                List.of(
                        Rows.peer(run, "libtorch", "eager", Operation.FORWARD, "256x256", 1, 5),
                        Rows.peer(run, "libtorch", "out", Operation.FORWARD, "256x256", 1, 4),
                        ours,
                        Rows.peer(run, "onednn", "ab", Operation.FORWARD, "256x256", 1, 6),
                        fastest,
                        Rows.peer(run, "djl", "function", Operation.FORWARD, "256x256", 1, 1)),
                "vector",
                "heap",
                Ratios.NATIVE);

        assertThat(ratios).containsExactly(new Ratio(ours, fastest));
        assertThat(ratios.getFirst().value()).isEqualTo(1.5);
    }

    @Test
    void onlyTheSameOperationShapeLayoutThreadsAndRunAreCompared() {
        Measurement ours = Rows.ours(run, Operation.FORWARD, "32x64x56x56", 1, 2);
        List<Measurement> others = List.of(
                ours,
                Rows.peer(run, "libtorch", "out", Operation.BACKWARD, "32x64x56x56", 1, 1),
                Rows.peer(run, "libtorch", "out", Operation.FORWARD, "32x64x56x56:channels-last", 1, 1),
                Rows.peer(run, "libtorch", "out", Operation.FORWARD, "32x64x56x56", 2, 1),
                Rows.peer(Rows.run("2"), "libtorch", "out", Operation.FORWARD, "32x64x56x56", 1, 1));

        assertThat(Ratios.of(others, "vector", "heap", Ratios.NATIVE)).isEmpty();
    }

    @Test
    void theGeometricMeanOfNoRatioIsNone() {
        assertThat(Ratios.geometricMean(List.of())).isEmpty();
    }

    @Test
    void theGeometricMeanOfAHalfAndEightIsTwo() {
        List<Ratio> ratios = Ratios.of(
                List.of(
                        Rows.ours(run, Operation.FORWARD, "256x256", 1, 2),
                        Rows.peer(run, "onednn", "ab", Operation.FORWARD, "256x256", 1, 1),
                        Rows.ours(run, Operation.INFERENCE, "256x256", 1, 1),
                        Rows.peer(run, "onednn", "ab", Operation.INFERENCE, "256x256", 1, 8)),
                "vector",
                "heap",
                Set.of("onednn"));

        assertThat(Ratios.geometricMean(ratios).orElseThrow()).isCloseTo(2, within(1e-12));
    }

    @Test
    void theTableHasARowAShapeTheMeansAndTheSmallest() {
        List<Ratio> ratios = Ratios.of(
                List.of(
                        Rows.ours(run, Operation.FORWARD, "256x256", 1, 2),
                        Rows.peer(run, "onednn", "ab", Operation.FORWARD, "256x256", 1, 1),
                        Rows.ours(run, Operation.FORWARD, "256x256", 2, 1),
                        Rows.peer(run, "onednn", "ab", Operation.FORWARD, "256x256", 2, 3),
                        Rows.ours(run, Operation.FORWARD, "8x2048", 1, 1),
                        Rows.peer(run, "onednn", "ab", Operation.FORWARD, "8x2048", 1, 8)),
                "vector",
                "heap",
                Ratios.NATIVE);

        assertThat(Tables.ratios(ratios))
                .containsExactly(
                        "| shape (1 thread / 2 threads) | forward | inference | backward |",
                        "| --- | ---: | ---: | ---: |",
                        "| 256x256 | 0.50 / 3.00 | – / – | – / – |",
                        "| 8x2048 | 8.00 / – | – / – | – / – |",
                        "| **geometric mean** | 2.00 / 3.00 | – / – | – / – |",
                        "| **smallest** | 0.50 / 3.00 | – / – | – / – |");
    }

    @Test
    void onADeviceThePeerIsComparedWithOurFastestVersionOfItsRun() {
        List<Measurement> rows = List.of(
                Rows.onDevice(Rows.run("1"), Libraries.OURS, "tornadovm-cuda-rows", Operation.FORWARD, "64x256", 3),
                Rows.onDevice(Rows.run("1"), Libraries.OURS, "tornadovm-cuda-on-chip", Operation.FORWARD, "64x256", 2),
                Rows.onDevice(Rows.run("2"), Libraries.OURS, "tornadovm-cuda-on-chip", Operation.FORWARD, "64x256", 1),
                Rows.onDevice(Rows.run("1"), "pytorch", "eager", Operation.FORWARD, "64x256", 5),
                Rows.onDevice(Rows.run("1"), "pytorch", "compiled", Operation.FORWARD, "64x256", 4),
                Rows.onDevice(Rows.run("1"), "pytorch", "eager", Operation.FORWARD, "1x256", 5));
        assertThat(Ratios.onDevice(rows, "pytorch", "eager"))
                .singleElement()
                .satisfies(ratio -> assertThat(ratio.value()).isEqualTo(2.5));
        assertThat(String.join("\n", ResultsPage.of(rows)))
                .contains("| 64x256 | forward | tornadovm-cuda-on-chip | 1.000 |")
                .contains("Kernels on NVIDIA H200")
                .doesNotContain("libtorch");
    }

    @Test
    void thePageShowsSharesOfTheFloorWhereTheyWereMeasured() {
        Measurement forward = Rows.ours(run, Operation.FORWARD, "32x128", 1, 2);
        Measurement both = Rows.ours(run, Operation.FORWARD, "32x128", 2, 2);
        Measurement older = Rows.ours(run, Operation.INFERENCE, "32x128", 1, 2);
        assertThat(ResultsPage.of(List.of(
                        new Measurement(forward.point(), run, forward.result().withFloorShare(0.875)),
                        new Measurement(both.point(), run, both.result().withFloorShare(0.5)),
                        older)))
                .containsSubsequence(
                        "| shape (1 thread / 2 threads) | forward | inference | backward |",
                        "| --- | ---: | ---: | ---: |",
                        "| 32x128 | 0.88 / 0.50 | – / – | – / – |");
        assertThat(String.join("\n", ResultsPage.of(List.of(older)))).doesNotContain("floor");
    }

    @Test
    void machinesAreSummedUpApart() {
        Run other = new Run("2", "2026-01-02T00:00:00Z", "c2", "25", "another machine", 4, "Linux 6");
        List<Measurement> rows = List.of(
                Rows.ours(Rows.run("1"), Operation.FORWARD, "32x128", 1, 2),
                Rows.peer(Rows.run("1"), "onednn", "ab", Operation.FORWARD, "32x128", 1, 6),
                Rows.ours(other, Operation.FORWARD, "32x128", 1, 2),
                Rows.peer(other, "onednn", "ab", Operation.FORWARD, "32x128", 1, 8),
                Rows.ours(Rows.run("3"), Operation.FORWARD, "60x100", 1, 2));
        assertThat(ResultsPage.of(rows))
                .containsSubsequence(
                        "### machine, 2 cores",
                        "JDK 25, Linux 6; measured on 2026-01-01 at commit c1, 2026-01-03 at commit c3.",
                        "| 32x128 | 3.00 | – | – |",
                        "### another machine, 4 cores",
                        "JDK 25, Linux 6; measured on 2026-01-02 at commit c2.",
                        "| 32x128 | 4.00 | – | – |");
    }
}
