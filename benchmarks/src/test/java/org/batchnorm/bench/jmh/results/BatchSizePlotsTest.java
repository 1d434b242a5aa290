package org.batchnorm.bench.jmh.results;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;
import org.batchnorm.bench.jmh.results.Measurement.Run;
import org.batchnorm.bench.output.ChartRow;
import org.batchnorm.bench.output.Look;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Kind;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.ShapeGrid;
import org.batchnorm.data.ElementType;
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
        assertThat(picture.getWidth()).isEqualTo(3 * 450);
        // Of each number of threads a heading, the charts and a legend.
        assertThat(picture.getHeight()).isGreaterThan(2 * 420).isLessThan(2 * 600);
        // Its text is drawn as outlines.
        assertThat(Files.readString(written.get(1)))
                .contains("<svg", "viewBox=\"0 0 1350 " + picture.getHeight() + "\"", "<path");
    }

    /**
     * Time and GB/s in lines of their own; among the ratios the type's time by that of float32. What is fused is in
     * tables.
     */
    @Test
    void drawsOtherTypesBesideFloat32() {
        List<Measurement> rows = new ArrayList<>();
        for (BenchShape shape : ShapeGrid.batchSweep()) {
            Measurement float32 = Rows.ours(Rows.run("1"), Operation.FORWARD, shape.toString(), 1, shape.n() * 1e-4);
            rows.add(float32);
            for (Kind kind :
                    List.of(new Kind(ElementType.FLOAT16, Fusion.NONE), new Kind(ElementType.FLOAT32, Fusion.RELU))) {
                Measurement.Point point = float32.point().of(kind);
                rows.add(new Measurement(point, float32.run(), Rows.result(point, shape.n() * 0.5e-4)));
            }
        }

        List<XYChart> charts =
                BatchSizePlots.charts(Operation.FORWARD, rows).getFirst().charts();
        assertThat(names(charts.get(0))).containsExactlyInAnyOrder("vector", "vector float16");
        assertThat(charts.get(2).getSeriesCollection())
                .filteredOn(line -> line.getName().equals("vector float16"))
                .singleElement()
                .satisfies(line -> assertThat(line.getYData()).containsOnly(0.5));
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

        List<ChartRow> charts = BatchSizePlots.charts(Operation.FORWARD, rows);
        assertThat(charts)
                .extracting(ChartRow::heading)
                .containsExactly("forward, NVIDIA H200, kernel time", "forward, NVIDIA H200, wall time");
        assertThat(names(charts.get(0).charts().get(0)))
                .containsExactlyInAnyOrder(
                        "tornadovm-cuda-rows",
                        "tornadovm-cuda-on-chip",
                        "pytorch eager",
                        "pytorch eager, cold",
                        "pytorch compiled",
                        "pytorch compiled, cold");
        assertThat(names(charts.get(0).charts().get(2)))
                .containsExactlyInAnyOrder("pytorch eager", "pytorch compiled", "as fast as ours");
        assertThat(names(charts.get(1).charts().get(0))).containsExactlyInAnyOrder("pytorch eager", "pytorch compiled");
        assertThat(BatchSizePlots.draw(rows, folder)).hasSize(2);
    }

    @Test
    void machinesHaveChartsOfTheirOwn() {
        Run other = new Run("2", "2026-01-02T00:00:00Z", "c2", "25", "another machine", 4, "Linux 6");
        List<Measurement> rows = List.of(
                Rows.ours(Rows.run("1"), Operation.FORWARD, "64x256", 1, 2),
                Rows.ours(other, Operation.FORWARD, "64x256", 1, 1));
        assertThat(BatchSizePlots.charts(Operation.FORWARD, rows))
                .extracting(ChartRow::heading)
                .containsExactly("forward, another machine, 1 thread", "forward, machine, 1 thread");
    }

    @Test
    void aLineLooksTheSameInAllChartsOfARowAndLikeNoOther() {
        List<Measurement> rows = new ArrayList<>();
        List<String> peers = List.of("djl", "libtorch", "nd4j", "onednn", "onnxruntime", "a new library");
        peers.forEach(peer -> rows.add(Rows.peer(Rows.run("1"), peer, "op", Operation.FORWARD, "64x256", 1, 2)));
        rows.add(Rows.ours(Rows.run("1"), Operation.FORWARD, "64x256", 1, 1));
        ChartRow row = BatchSizePlots.charts(Operation.FORWARD, rows).getFirst();

        Map<String, Look> looks = new HashMap<>();
        for (XYChart chart : row.charts()) {
            for (XYSeries line : chart.getSeriesCollection()) {
                Look look = new Look(line.getLineColor(), line.getMarker());
                assertThat(looks.getOrDefault(line.getName(), look)).isEqualTo(look);
                looks.put(line.getName(), look);
            }
        }
        assertThat(looks).hasSize(peers.size() + 2);
        assertThat(looks.values()).doesNotHaveDuplicates();
    }

    @Test
    void theLegendHasEveryLineOnceAndEndsWithinThePicture() {
        List<Measurement> rows = new ArrayList<>();
        for (int i = 0; i < 15; i++) {
            rows.add(
                    Rows.peer(Rows.run("1"), "a library of a long name " + i, "op", Operation.FORWARD, "64x256", 1, 2));
        }
        ChartRow row = BatchSizePlots.charts(Operation.FORWARD, rows).getFirst();

        assertThat(row.legend())
                .hasSizeGreaterThan(1)
                .allSatisfy(line -> assertThat(
                                line.stream().mapToInt(ChartRow::width).sum())
                        .isLessThan(row.width()));
        assertThat(row.legend().stream().flatMap(List::stream).map(XYSeries::getName))
                .doesNotHaveDuplicates()
                // And the line at 1.
                .hasSize(15 + 1);
    }

    @Test
    void drawsNothingOfShapesOutsideTheSweep() throws IOException {
        List<Measurement> rows = List.of(Rows.ours(Rows.run("1"), Operation.FORWARD, "32x128", 1, 1));
        assertThat(BatchSizePlots.draw(rows, folder)).isEmpty();
    }

    private static List<String> names(XYChart chart) {
        return chart.getSeriesCollection().stream().map(XYSeries::getName).toList();
    }
}
