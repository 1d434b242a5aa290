package org.batchnorm.bench.experiments;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.List;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.XYSeries.XYSeriesRenderStyle;
import org.knowm.xchart.style.AxesChartStyler;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.lines.SeriesLines;
import org.knowm.xchart.style.markers.Marker;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Lines of means over the seeds, each on a band from the smallest to the largest value. */
final class LineChart {
    private static final int WIDTH = 560;
    private static final int HEIGHT = 380;
    private static final int BAND_ALPHA = 60;

    /**
     * Okabe and Ito's colours, which colour-blind readers tell apart; the markers tell them apart in black and white.
     */
    private static final List<Color> COLORS = List.of(
            new Color(0x0072B2),
            new Color(0xD55E00),
            new Color(0x009E73),
            new Color(0xCC79A7),
            new Color(0x56B4E9),
            new Color(0xE69F00),
            new Color(0x000000));

    private static final List<Marker> MARKERS = List.of(
            SeriesMarkers.CIRCLE,
            SeriesMarkers.SQUARE,
            SeriesMarkers.DIAMOND,
            SeriesMarkers.TRIANGLE_UP,
            SeriesMarkers.TRIANGLE_DOWN,
            SeriesMarkers.CROSS,
            SeriesMarkers.PLUS);

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
        // A formatter of our own keeps XChart from setting ticks at multiples of the data's own spacing.
        styler.setXAxisTickLabelsFormattingFunction(LineChart::tick);
        styler.setYAxisTickLabelsFormattingFunction(LineChart::tick);
        // Solid lines: of a dotted one the SVG would hold every dot.
        styler.setPlotGridLinesStroke(new BasicStroke(0.5f));
        styler.setPlotGridLinesColor(new Color(0xDDDDDD));
    }

    private static String tick(double value) {
        boolean plain = value == 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e6);
        return plain
                ? new BigDecimal(value)
                        .round(new MathContext(6))
                        .stripTrailingZeros()
                        .toPlainString()
                : Page.format("%.0e", value);
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
        Color color = COLORS.get(look % COLORS.size());
        addBand(name, series, xs, color);
        XYSeries line = chart.addSeries(name, xs, xs.stream().map(series::mean).toList());
        line.setMarker(MARKERS.get(look % MARKERS.size()));
        line.setMarkerColor(color);
        line.setLineColor(color);
        line.setLineStyle(SeriesLines.SOLID);
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
