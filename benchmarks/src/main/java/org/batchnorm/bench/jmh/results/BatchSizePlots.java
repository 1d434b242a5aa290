package org.batchnorm.bench.jmh.results;

import java.awt.Color;
import java.awt.Font;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.ToDoubleFunction;
import org.batchnorm.bench.jmh.results.Measurement.Point;
import org.batchnorm.bench.output.Axes;
import org.batchnorm.bench.output.ChartRow;
import org.batchnorm.bench.output.ChartRows;
import org.batchnorm.bench.output.Look;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.ShapeGrid;
import org.batchnorm.state.ReplacedFile;
import org.knowm.xchart.ChartEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.lines.SeriesLines;
import org.knowm.xchart.style.markers.SeriesMarkers;

/**
 * One picture an operation, over the batch sizes of {@link ShapeGrid#batchSweep()}: time, GB/s of logical bytes, and
 * how much faster than each other library; a row of charts for each number of threads on each machine and, on each
 * device, for each clock. A type of values other than float32 has lines of its own, also among the ratios: there its
 * time is that of another library. All that is written is large: a page shows the picture at two thirds of its size.
 */
public final class BatchSizePlots {
    private static final int WIDTH = 450;
    private static final int HEIGHT = 420;
    private static final int MARKER_SIZE = 9;
    private static final float LINE_WIDTH = 2.5f;
    private static final Font TITLE = new Font(Font.SANS_SERIF, Font.BOLD, 19);
    private static final Font LABEL = new Font(Font.SANS_SERIF, Font.PLAIN, 18);

    /** A line looks the same in every picture, as far as its library is among these. */
    private static final Map<String, Look> LOOKS = Map.of(
            "libtorch", Look.of(0),
            "vector", Look.of(1),
            "onednn", Look.of(2),
            "djl", Look.of(3),
            "onnxruntime", Look.of(4),
            "nd4j", Look.of(5),
            "scalar", Look.of(6),
            // The colour of "vector" again.
            "vector off-heap", Look.of(8));

    /** The line at 1 among the ratios; above it ours is faster. */
    private static final String EQUAL = "as fast as ours";

    private static final long FIRST_BATCH = ShapeGrid.batchSweep().getFirst().n();
    private static final long LAST_BATCH = ShapeGrid.batchSweep().getLast().n();
    private static final List<String> FORMATS = List.of("png", "svg");

    private BatchSizePlots() {}

    /**
     * Draws what the rows have, as PNG and SVG.
     *
     * @param rows of any number of runs; each point's newest on a machine counts
     * @param folder where the pictures go; made if need be
     * @return the files written; none if no row belongs to the batch sweep
     */
    public static List<Path> draw(Collection<Measurement> rows, Path folder) throws IOException {
        List<Path> written = new ArrayList<>();
        Files.createDirectories(folder);
        for (Operation operation : Operation.ofBatchNorm()) {
            List<ChartRow> charts = charts(operation, rows);
            if (!charts.isEmpty()) {
                ChartRows picture = new ChartRows(charts);
                for (String format : FORMATS) {
                    Path file = folder.resolve(operation.label() + "." + format);
                    ReplacedFile.write(file, out -> ChartEncoder.saveChart(picture, out, format));
                    written.add(file);
                }
            }
        }
        return written;
    }

    /** The charts of an operation. */
    static List<ChartRow> charts(Operation operation, Collection<Measurement> rows) {
        List<Measurement> sweep = rows.stream()
                .filter(row -> row.point().operation() == operation
                        && ShapeGrid.batchSweep().contains(row.point().shape())
                        && row.point().phase().equals("steady")
                        && row.point().kind().fusion() == Fusion.NONE
                        // Kernels do not know how their data came.
                        && (row.point().resident() || row.point().clock().equals("wall")))
                .toList();
        List<ChartRow> charts = new ArrayList<>();
        for (String place : places(sweep)) {
            charts.add(row(
                    operation + ", " + place,
                    sweep.stream().filter(row -> place(row).equals(place)).toList()));
        }
        return charts;
    }

    private static Set<String> places(Collection<Measurement> rows) {
        Set<String> places = new TreeSet<>();
        rows.forEach(row -> places.add(place(row)));
        return places;
    }

    private static String place(Measurement row) {
        Point point = row.point();
        return point.device().equals("cpu")
                ? row.run().machine() + ", " + (point.threads() == 1 ? "1 thread" : point.threads() + " threads")
                : point.device() + (point.clock().equals("kernel") ? ", kernel time" : ", wall time");
    }

    private static ChartRow row(String heading, List<Measurement> rows) {
        XYChart time = chart("time in ms", true);
        XYChart bandwidth = chart("GB/s of logical bytes", false);
        XYChart ratio = chart("their time / ours", true);
        Axes.labelWithinDecades(ratio.getStyler());
        Map<String, SortedMap<Long, Measurement>> series = new LinkedHashMap<>();
        for (Measurement row : Comparison.newest(rows).values()) {
            series.computeIfAbsent(name(row.point()), name -> new TreeMap<>())
                    .merge(row.point().shape().n(), row, BatchSizePlots::faster);
        }
        series.forEach((name, byBatch) -> {
            add(time, name, byBatch, row -> row.result().milliseconds());
            add(bandwidth, name, byBatch, row -> row.result().gigabytesPerSecond());
        });
        addRatios(ratio, rows);
        List<XYChart> charts = List.of(time, bandwidth, ratio);
        giveLooks(charts);
        return new ChartRow(heading, charts);
    }

    private static void addRatios(XYChart chart, List<Measurement> rows) {
        Set<String> libraries = new TreeSet<>();
        rows.stream()
                .map(row -> row.point().library())
                .filter(library -> !library.equals(Libraries.OURS))
                .forEach(libraries::add);
        for (String library : libraries) {
            SortedMap<Long, Double> byBatch = new TreeMap<>();
            for (Ratios.Ratio ratio : Ratios.of(rows, Tables.DEFAULT_VARIANT, Tables.DEFAULT_MEMORY, Set.of(library))) {
                byBatch.put(ratio.ours().point().shape().n(), ratio.value());
            }
            drawRatios(chart, library, byBatch);
        }
        Map<String, SortedMap<Long, Double>> byType = new LinkedHashMap<>();
        KindTables.byFloat32(rows).forEach((row, ratio) -> {
            if (isDefault(row.point())) {
                byType.computeIfAbsent(name(row.point()), name -> new TreeMap<>())
                        .put(row.point().shape().n(), ratio);
            }
        });
        byType.forEach((name, byBatch) -> drawRatios(chart, name, byBatch));
        Map<String, SortedMap<Long, Double>> onDevice = new LinkedHashMap<>();
        rows.stream()
                .map(Measurement::point)
                .filter(BatchSizePlots::isPeerOnDevice)
                .forEach(peer -> Ratios.onDevice(rows, peer.library(), peer.variant())
                        .forEach(ratio -> onDevice.computeIfAbsent(
                                        name(ratio.fastest().point()), name -> new TreeMap<>())
                                .put(ratio.fastest().point().shape().n(), ratio.value())));
        onDevice.forEach((name, byBatch) -> drawRatios(chart, name, byBatch));
        if (!libraries.isEmpty() || !byType.isEmpty()) {
            XYSeries one = chart.addSeries(EQUAL, List.of(FIRST_BATCH, LAST_BATCH), List.of(1.0, 1.0));
            one.setMarker(SeriesMarkers.NONE).setLineColor(Color.GRAY).setLineStyle(SeriesLines.SOLID);
        }
    }

    /** A line has one look in all charts of a row: its library's, or another that no other line has. */
    private static void giveLooks(List<XYChart> charts) {
        Map<String, Look> looks = new HashMap<>(LOOKS);
        for (XYChart chart : charts) {
            for (XYSeries line : chart.getSeriesCollection()) {
                line.setLineWidth(LINE_WIDTH);
                if (!line.getName().equals(EQUAL)) {
                    looks.computeIfAbsent(line.getName(), name -> Look.of(looks.size() + 1))
                            .on(line);
                }
            }
        }
    }

    private static void drawRatios(XYChart chart, String name, SortedMap<Long, Double> byBatch) {
        if (!byBatch.isEmpty()) {
            draw(chart, name, new ArrayList<>(byBatch.keySet()), new ArrayList<>(byBatch.values()));
        }
    }

    private static boolean isDefault(Point point) {
        return point.library().equals(Libraries.OURS)
                && point.variant().equals(Tables.DEFAULT_VARIANT)
                && point.memory().equals(Tables.DEFAULT_MEMORY);
    }

    private static boolean isPeerOnDevice(Point point) {
        return point.memory().equals("device") && !point.library().equals(Libraries.OURS);
    }

    private static void add(
            XYChart chart, String name, SortedMap<Long, Measurement> byBatch, ToDoubleFunction<Measurement> value) {
        List<Double> values =
                byBatch.values().stream().map(value::applyAsDouble).toList();
        draw(chart, name, new ArrayList<>(byBatch.keySet()), values);
    }

    private static void draw(XYChart chart, String name, List<Long> batchSizes, List<Double> values) {
        chart.addSeries(name, batchSizes, values);
    }

    /**
     * A peer's variants are one line on the CPU, its fastest at each size; ours, and on a device everybody's, are told
     * apart.
     */
    private static String name(Point point) {
        String cache = point.cache().equals("warm") ? "" : ", cold";
        if (isPeerOnDevice(point)) {
            return point.library() + " " + point.variant() + cache;
        }
        if (!point.library().equals(Libraries.OURS)) {
            return point.library() + cache;
        }
        boolean ordinary = point.memory().equals("heap") || point.memory().equals("device");
        return point.variant()
                + (point.kind().isPlain() ? "" : " " + point.kind())
                + (ordinary ? "" : " " + point.memory())
                + (point.resident() ? "" : " transferred")
                + cache;
    }

    private static Measurement faster(Measurement one, Measurement other) {
        return one.result().milliseconds() <= other.result().milliseconds() ? one : other;
    }

    private static XYChart chart(String title, boolean logarithmic) {
        XYChart chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title(title)
                .xAxisTitle("batch size N, C = " + ShapeGrid.SWEEP_FEATURES)
                .build();
        Axes.style(chart.getStyler());
        chart.getStyler()
                .setXAxisLogarithmic(true)
                .setYAxisLogarithmic(logarithmic)
                .setXAxisMin((double) FIRST_BATCH)
                .setXAxisMax((double) LAST_BATCH)
                .setAxisTitleFont(LABEL)
                .setAxisTickLabelsFont(LABEL)
                .setChartTitleFont(TITLE)
                .setChartBackgroundColor(Color.WHITE)
                .setPlotBorderVisible(false)
                .setLegendVisible(false)
                .setMarkerSize(MARKER_SIZE);
        return chart;
    }
}
