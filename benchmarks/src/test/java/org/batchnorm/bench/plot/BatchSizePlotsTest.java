package org.batchnorm.bench.plot;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import javax.imageio.ImageIO;
import org.batchnorm.bench.results.Libraries;
import org.batchnorm.bench.results.Measurement;
import org.batchnorm.bench.results.Measurement.Run;
import org.batchnorm.bench.results.Rows;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.ShapeGrid;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYSeries;

class BatchSizePlotsTest {
    @TempDir
    Path folder;

    @BeforeAll
    static void withoutAScreen() {
        System.setProperty("java.awt.headless", "true");
    }

    @Test
    void drawsTimeBandwidthAndRatioForEachNumberOfThreads() throws IOException {
        List<Measurement> rows = new ArrayList<>();
        for (BenchShape shape : ShapeGrid.batchSweep()) {
            for (int threads = 1; threads <= 2; threads++) {
                double milliseconds = shape.n() * 1e-4 / threads;
                String text = shape.toString();
                rows.add(Rows.ours(Rows.run("1"), Operation.FORWARD, text, threads, milliseconds));
                rows.add(
                        Rows.peer(Rows.run("1"), "onednn", "acdb", Operation.FORWARD, text, threads, 2 * milliseconds));
                rows.add(Rows.peer(Rows.run("1"), "onednn", "ab", Operation.FORWARD, text, threads, 3 * milliseconds));
            }
        }

        List<Path> written = BatchSizePlots.draw(rows, folder.resolve("plots"));

        assertThat(written).containsExactly(folder.resolve("plots/forward.png"), folder.resolve("plots/forward.svg"));
        var picture = ImageIO.read(written.get(0).toFile());
        assertThat(picture.getWidth()).isEqualTo(3 * 560);
        assertThat(picture.getHeight()).isEqualTo(2 * 420);
        // Its text is drawn as outlines.
        assertThat(Files.readString(written.get(1))).contains("<svg", "viewBox=\"0 0 1680 840\"", "<path");
    }

    @Test
    void drawsOurVersionsAndPyTorchOnADeviceTogether() throws IOException {
        List<Measurement> rows = new ArrayList<>();
        for (BenchShape shape : ShapeGrid.batchSweep()) {
            double milliseconds = shape.n() * 1e-5;
            String text = shape.toString();
            for (String variant : List.of("tornadovm-cuda-rows", "tornadovm-cuda-on-chip")) {
                rows.add(Rows.onDevice(Rows.run("1"), Libraries.OURS, variant, Operation.FORWARD, text, milliseconds));
            }
            for (String variant : List.of("eager", "compiled")) {
                Measurement warm =
                        Rows.onDevice(Rows.run("1"), "pytorch", variant, Operation.FORWARD, text, 2 * milliseconds);
                rows.add(warm);
                rows.add(new Measurement(warm.point().withCache("cold"), warm.run(), warm.result()));
                rows.add(new Measurement(warm.point().byClock("wall"), warm.run(), warm.result()));
            }
        }

        Map<String, Set<String>> lines = new HashMap<>();
        BatchSizePlots.charts(Operation.FORWARD, rows)
                .forEach(chart -> lines.put(
                        chart.getTitle(),
                        chart.getSeriesCollection().stream()
                                .map(XYSeries::getName)
                                .collect(Collectors.toSet())));
        assertThat(lines)
                .containsEntry(
                        "forward, NVIDIA H200, kernel time",
                        Set.of(
                                "tornadovm-cuda-rows",
                                "tornadovm-cuda-on-chip",
                                "pytorch eager",
                                "pytorch eager, cold",
                                "pytorch compiled",
                                "pytorch compiled, cold"))
                .containsEntry(
                        "their time by ours, NVIDIA H200, kernel time",
                        Set.of("pytorch eager", "pytorch compiled", "as fast"))
                .containsEntry("forward, NVIDIA H200, wall time", Set.of("pytorch eager", "pytorch compiled"));
        assertThat(BatchSizePlots.draw(rows, folder)).hasSize(2);
    }

    @Test
    void machinesHaveChartsOfTheirOwn() {
        Run other = new Run("2", "2026-01-02T00:00:00Z", "c2", "25", "another machine", 4, "Linux 6");
        List<Measurement> rows = List.of(
                Rows.ours(Rows.run("1"), Operation.FORWARD, "64x256", 1, 2),
                Rows.ours(other, Operation.FORWARD, "64x256", 1, 1));
        assertThat(BatchSizePlots.charts(Operation.FORWARD, rows))
                .extracting(XYChart::getTitle)
                .contains("forward, machine, 1 thread", "forward, another machine, 1 thread");
    }

    @Test
    void drawsNothingOfShapesOutsideTheSweep() throws IOException {
        List<Measurement> rows = List.of(Rows.ours(Rows.run("1"), Operation.FORWARD, "32x128", 1, 1));
        assertThat(BatchSizePlots.draw(rows, folder)).isEmpty();
    }
}
