package org.batchnorm.bench.plot;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.ToDoubleFunction;
import org.batchnorm.bench.results.Comparison;
import org.batchnorm.bench.results.Libraries;
import org.batchnorm.bench.results.Measurement;
import org.batchnorm.bench.results.Measurement.Point;
import org.batchnorm.bench.results.Ratios;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.ShapeGrid;
import org.batchnorm.state.ReplacedFile;
import org.knowm.xchart.ChartEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler.LegendLayout;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;

/**
 * One picture an operation, over the batch sizes of {@link ShapeGrid#batchSweep()}: time, GB/s of logical bytes, and
 * how much faster than each other library; a row of charts for each number of threads on each machine and, on each
 * device, for each clock.
 */
public final class BatchSizePlots {
    private static final int WIDTH = 560;
    private static final int HEIGHT = 420;
    private static final int COLUMNS = 3;

    /** Small enough for a machine's name and the number of threads. */
    private static final Font TITLE = new Font(Font.SANS_SERIF, Font.BOLD, 11);

    /** A line's colour is its library's in every chart. */
    private static final Map<String, Color> COLOURS = Map.of(
            "vector", new Color(0xD62728),
            "scalar", new Color(0xFF9896),
            "tornadovm", new Color(0x9467BD),
            "libtorch", new Color(0xFF7F0E),
            "onednn", new Color(0x1F77B4),
            "nd4j", new Color(0x2CA02C),
            "djl", new Color(0x8C564B),
            "pytorch eager", new Color(0xE377C2),
            "pytorch compiled", new Color(0x7F7F7F));

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
            List<XYChart> charts = charts(operation, rows);
            if (!charts.isEmpty()) {
                ChartGrid grid = new ChartGrid(charts, COLUMNS);
                for (String format : FORMATS) {
                    Path file = folder.resolve(operation.label() + "." + format);
                    ReplacedFile.write(file, out -> ChartEncoder.saveChart(grid, out, format));
                    written.add(file);
                }
            }
        }
        return written;
    }

    /** The charts of an operation, a row of them after the other. */
    static List<XYChart> charts(Operation operation, Collection<Measurement> rows) {
        List<Measurement> sweep = rows.stream()
                .filter(row -> row.point().operation() == operation
                        && ShapeGrid.batchSweep().contains(row.point().shape())
                        && row.point().phase().equals("steady")
                        // Kernels do not know how their data came.
                        && (row.point().resident() || row.point().clock().equals("wall")))
                .toList();
        List<XYChart> charts = new ArrayList<>();
        for (String place : places(sweep)) {
            charts.addAll(charts(
                    operation,
                    place,
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

    private static List<XYChart> charts(Operation operation, String place, List<Measurement> rows) {
        XYChart time = chart(operation + ", " + place, "ms", true);
        XYChart bandwidth = chart(operation + ", " + place, "GB/s of logical bytes", false);
        XYChart ratio = chart("their time by ours, " + place, "ratio (above 1: we are faster)", true);
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
        return List.of(time, bandwidth, ratio);
    }

    private static void addRatios(XYChart chart, List<Measurement> rows) {
        Set<String> libraries = new TreeSet<>();
        rows.stream()
                .map(row -> row.point().library())
                .filter(library -> !library.equals(Libraries.OURS))
                .forEach(libraries::add);
        for (String library : libraries) {
            SortedMap<Long, Double> byBatch = new TreeMap<>();
            for (Ratios.Ratio ratio : Ratios.of(rows, "vector", "heap", Set.of(library))) {
                byBatch.put(ratio.ours().point().shape().n(), ratio.value());
            }
            drawRatios(chart, library, byBatch);
        }
        Map<String, SortedMap<Long, Double>> onDevice = new LinkedHashMap<>();
        rows.stream()
                .map(Measurement::point)
                .filter(BatchSizePlots::isPeerOnDevice)
                .forEach(peer -> Ratios.onDevice(rows, peer.library(), peer.variant())
                        .forEach(ratio -> onDevice.computeIfAbsent(
                                        name(ratio.fastest().point()), name -> new TreeMap<>())
                                .put(ratio.fastest().point().shape().n(), ratio.value())));
        onDevice.forEach((name, byBatch) -> drawRatios(chart, name, byBatch));
        if (!libraries.isEmpty()) {
            XYSeries one = chart.addSeries("as fast", List.of(1L, 65_536L), List.of(1.0, 1.0));
            one.setMarker(SeriesMarkers.NONE).setLineColor(Color.GRAY);
        }
    }

    private static void drawRatios(XYChart chart, String name, SortedMap<Long, Double> byBatch) {
        if (!byBatch.isEmpty()) {
            draw(chart, name, new ArrayList<>(byBatch.keySet()), new ArrayList<>(byBatch.values()));
        }
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
        XYSeries series = chart.addSeries(name, batchSizes, values);
        series.setMarker(SeriesMarkers.CIRCLE);
        Color colour = COLOURS.get(name);
        if (colour != null) {
            series.setMarkerColor(colour).setLineColor(colour);
        }
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
                + (ordinary ? "" : " " + point.memory())
                + (point.resident() ? "" : " transferred")
                + cache;
    }

    private static Measurement faster(Measurement one, Measurement other) {
        return one.result().milliseconds() <= other.result().milliseconds() ? one : other;
    }

    private static XYChart chart(String title, String yAxis, boolean logarithmic) {
        XYChart chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title(title)
                .xAxisTitle("batch size N, C = " + ShapeGrid.SWEEP_FEATURES)
                .yAxisTitle(yAxis)
                .build();
        chart.getStyler()
                .setXAxisLogarithmic(true)
                .setYAxisLogarithmic(logarithmic)
                // Drawn through: a dashed line is a path of hundreds of pieces in the SVG.
                .setPlotGridLinesStroke(new BasicStroke(0.5f))
                .setPlotGridLinesColor(Color.LIGHT_GRAY)
                .setChartTitleFont(TITLE)
                .setChartBackgroundColor(Color.WHITE)
                .setPlotBorderVisible(false)
                .setLegendPosition(LegendPosition.OutsideS)
                .setLegendLayout(LegendLayout.Horizontal)
                .setLegendBorderColor(Color.WHITE)
                .setMarkerSize(5);
        return chart;
    }
}
