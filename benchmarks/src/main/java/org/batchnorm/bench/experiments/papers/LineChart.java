package org.batchnorm.bench.experiments.papers;

import java.awt.Color;
import java.awt.Font;
import java.util.ArrayList;
import java.util.List;
import org.batchnorm.bench.output.Axes;
import org.batchnorm.bench.output.Look;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.XYSeries.XYSeriesRenderStyle;
import org.knowm.xchart.style.AxesChartStyler;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Lines of means over the seeds, each on a band from the smallest to the largest value. */
final class LineChart {
    private static final int WIDTH = 560;
    private static final int HEIGHT = 380;
    private static final int BAND_ALPHA = 60;

    private final XYChart chart;
    private boolean logarithmicX;
    private boolean logarithmicY;
    private int lines;

    /** An empty chart with linear axes. */
    LineChart(String title, String xTitle, String yTitle) {
        chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title(title)
                .xAxisTitle(xTitle)
                .yAxisTitle(yTitle)
                .theme(Styler.ChartTheme.Matlab)
                .build();
        AxesChartStyler styler = chart.getStyler();
        styler.setChartBackgroundColor(Color.WHITE);
        styler.setChartTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 12));
        styler.setLegendPosition(Styler.LegendPosition.InsideSE);
        styler.setMarkerSize(5);
        Axes.style(styler);
    }

    /** With decades on the x axis; points at x ≤ 0 are left out. */
    LineChart logarithmicX() {
        logarithmicX = true;
        chart.getStyler().setXAxisLogarithmic(true);
        return this;
    }

    /** With decades on the y axis; points at y ≤ 0 are left out. */
    LineChart logarithmicY() {
        logarithmicY = true;
        chart.getStyler().setYAxisLogarithmic(true);
        return this;
    }

    LineChart yFrom(double min, double max) {
        chart.getStyler().setYAxisMin(min);
        chart.getStyler().setYAxisMax(max);
        return this;
    }

    LineChart legend(Styler.LegendPosition position) {
        chart.getStyler().setLegendPosition(position);
        if (position == Styler.LegendPosition.OutsideS) {
            chart.getStyler().setLegendLayout(Styler.LegendLayout.Horizontal);
        }
        return this;
    }

    /** Adds a line in the next colour; what is not finite is left out, and a line without points too. */
    LineChart line(String name, Series series) {
        return line(name, series, lines);
    }

    /** Adds a line in the colour and with the marker of the given number. */
    LineChart line(String name, Series series, int look) {
        lines++;
        List<Double> xs = series.xs().stream().filter(x -> drawable(series, x)).toList();
        if (xs.isEmpty()) {
            return this;
        }
        addBand(name, series, xs, Look.of(look).color());
        Look.of(look).on(chart.addSeries(name, xs, xs.stream().map(series::mean).toList()));
        return this;
    }

    private void addBand(String name, Series series, List<Double> xs, Color color) {
        List<Double> around = new ArrayList<>(xs);
        around.addAll(xs.reversed());
        List<Double> edge = new ArrayList<>(xs.stream().map(series::max).toList());
        edge.addAll(xs.reversed().stream().map(series::min).toList());
        XYSeries band = chart.addSeries(name + ", range", around, edge);
        band.setXYSeriesRenderStyle(XYSeriesRenderStyle.PolygonArea);
        band.setFillColor(new Color(color.getRed(), color.getGreen(), color.getBlue(), BAND_ALPHA));
        band.setLineColor(new Color(0, 0, 0, 0));
        band.setMarker(SeriesMarkers.NONE);
        band.setShowInLegend(false);
    }

    private boolean drawable(Series series, double x) {
        double min = series.min(x);
        return Double.isFinite(min)
                && Double.isFinite(series.max(x))
                && (!logarithmicX || x > 0)
                && (!logarithmicY || min > 0);
    }

    XYChart chart() {
        return chart;
    }
}
