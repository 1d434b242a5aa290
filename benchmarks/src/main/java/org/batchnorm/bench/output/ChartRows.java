package org.batchnorm.bench.output;

import java.awt.Color;
import java.awt.Graphics2D;
import java.util.List;
import org.knowm.xchart.internal.chartpart.IChart;

/**
 * Rows of charts, one below the other, as one picture.
 *
 * @param rows of one width, at least one
 */
public record ChartRows(List<ChartRow> rows) implements IChart {

    /** Copies the list. */
    public ChartRows {
        rows = List.copyOf(rows);
    }

    @Override
    public int getWidth() {
        return rows.getFirst().width();
    }

    @Override
    public String getTitle() {
        return rows.getFirst().heading();
    }

    @Override
    public int getHeight() {
        return rows.stream().mapToInt(ChartRow::height).sum();
    }

    @Override
    public void paint(Graphics2D graphics, int width, int height) {
        graphics.setColor(Color.WHITE);
        graphics.fillRect(0, 0, width, height);
        int y = 0;
        for (ChartRow row : rows) {
            graphics.translate(0, y);
            row.paint(graphics);
            graphics.translate(0, -y);
            y += row.height();
        }
    }
}
