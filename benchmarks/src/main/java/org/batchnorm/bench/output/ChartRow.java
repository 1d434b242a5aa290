package org.batchnorm.bench.output;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.awt.FontMetrics;
import java.awt.Graphics2D;
import java.awt.font.FontRenderContext;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.markers.None;

/**
 * Charts side by side, with a heading above and one legend below for all of them. A legend of a chart's own is cut off
 * where it is wider than the chart.
 *
 * @param heading what the charts have in common
 * @param charts from left to right, of one size and without legends
 */
public record ChartRow(String heading, List<XYChart> charts) {
    private static final Font HEADING = new Font(Font.SANS_SERIF, Font.BOLD, 22);
    private static final Font NAME = new Font(Font.SANS_SERIF, Font.PLAIN, 20);
    private static final FontRenderContext METRICS = new FontRenderContext(null, true, true);
    private static final int HEADING_HEIGHT = 50;
    private static final int LEGEND_LINE = 34;
    private static final int SAMPLE_LENGTH = 40;
    private static final int GAP = 10;
    private static final int MARGIN = 24;
    private static final int MARKER_SIZE = 10;

    /** Copies the list. */
    public ChartRow {
        charts = List.copyOf(charts);
    }

    /** All charts beside each other. */
    public int width() {
        return charts.stream().mapToInt(XYChart::getWidth).sum();
    }

    int height() {
        return HEADING_HEIGHT + charts.getFirst().getHeight() + legend().size() * LEGEND_LINE + MARGIN;
    }

    /** Draws it, its upper left corner in the origin. */
    void paint(Graphics2D graphics) {
        graphics.setColor(Color.BLACK);
        graphics.setFont(HEADING);
        graphics.drawString(heading, MARGIN, HEADING_HEIGHT - MARGIN / 2);
        ChartGrid grid = new ChartGrid(charts, charts.size());
        graphics.translate(0, HEADING_HEIGHT);
        grid.paint(graphics, grid.getWidth(), grid.getHeight());
        graphics.translate(0, -HEADING_HEIGHT);
        int y = HEADING_HEIGHT + grid.getHeight() + LEGEND_LINE / 2;
        for (List<XYSeries> line : legend()) {
            int x = MARGIN;
            for (XYSeries series : line) {
                paint(graphics, series, x, y);
                x += width(series);
            }
            y += LEGEND_LINE;
        }
    }

    private static void paint(Graphics2D graphics, XYSeries series, int x, int y) {
        graphics.setStroke(new BasicStroke(series.getLineWidth()));
        graphics.setColor(series.getLineColor());
        graphics.drawLine(x, y, x + SAMPLE_LENGTH, y);
        if (!(series.getMarker() instanceof None)) {
            graphics.setColor(series.getMarkerColor());
            series.getMarker().paint(graphics, x + SAMPLE_LENGTH / 2.0, y, MARKER_SIZE);
        }
        graphics.setColor(Color.BLACK);
        graphics.setFont(NAME);
        FontMetrics metrics = graphics.getFontMetrics();
        graphics.drawString(
                series.getName(), x + SAMPLE_LENGTH + GAP, y + (metrics.getAscent() - metrics.getDescent()) / 2);
    }

    /** The series of all charts, each once, in as many lines as the width makes of them. */
    public List<List<XYSeries>> legend() {
        Map<String, XYSeries> byName = new LinkedHashMap<>();
        charts.stream()
                .map(XYChart::getSeriesCollection)
                .flatMap(Collection::stream)
                .forEach(series -> byName.putIfAbsent(series.getName(), series));
        List<List<XYSeries>> lines = new ArrayList<>();
        int x = width();
        for (XYSeries series : byName.values()) {
            if (x + width(series) > width()) {
                lines.add(new ArrayList<>());
                x = MARGIN;
            }
            lines.getLast().add(series);
            x += width(series);
        }
        return lines;
    }

    /** Of an entry of the legend, with the space to the next. */
    public static int width(XYSeries series) {
        double name = NAME.getStringBounds(series.getName(), METRICS).getWidth();
        return SAMPLE_LENGTH + GAP + (int) Math.ceil(name) + MARGIN;
    }
}
