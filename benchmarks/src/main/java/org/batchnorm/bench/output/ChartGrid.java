package org.batchnorm.bench.output;

import java.awt.Color;
import java.awt.Graphics2D;
import java.util.List;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.internal.chartpart.IChart;

/**
 * Charts of one size in rows and columns, as one picture.
 *
 * @param charts row by row
 * @param columns how many to a row
 */
public record ChartGrid(List<XYChart> charts, int columns) implements IChart {

    /** Copies the list. */
    public ChartGrid {
        charts = List.copyOf(charts);
    }

    @Override
    public int getWidth() {
        return columns * charts.getFirst().getWidth();
    }

    @Override
    public String getTitle() {
        return charts.getFirst().getTitle();
    }

    @Override
    public int getHeight() {
        return Math.ceilDiv(charts.size(), columns) * charts.getFirst().getHeight();
    }

    @Override
    public void paint(Graphics2D graphics, int width, int height) {
        graphics.setColor(Color.WHITE);
        graphics.fillRect(0, 0, width, height);
        for (int i = 0; i < charts.size(); i++) {
            XYChart chart = charts.get(i);
            int x = i % columns * chart.getWidth();
            int y = i / columns * chart.getHeight();
            graphics.translate(x, y);
            chart.paint(graphics, chart.getWidth(), chart.getHeight());
            graphics.translate(-x, -y);
        }
    }
}
