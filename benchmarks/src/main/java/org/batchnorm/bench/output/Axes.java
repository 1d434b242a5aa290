package org.batchnorm.bench.output;

import java.awt.BasicStroke;
import java.awt.Color;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.Locale;
import org.knowm.xchart.style.AxesChartStyler;

/** How the axes of every picture are labelled, and their grid. */
public final class Axes {
    private static final Color GRID = new Color(0xDDDDDD);

    private Axes() {}

    /** Numbers at the ticks as people write them, thin grid lines. */
    public static void style(AxesChartStyler styler) {
        // A formatter of our own keeps XChart from setting ticks at multiples of the data's own spacing.
        styler.setXAxisTickLabelsFormattingFunction(Axes::tick);
        styler.setYAxisTickLabelsFormattingFunction(Axes::tick);
        // Solid lines: of a dotted one the SVG would hold every dot.
        styler.setPlotGridLinesStroke(new BasicStroke(0.5f));
        styler.setPlotGridLinesColor(GRID);
    }

    /** 1, 2 and 5 of each decade get a label: for a logarithmic axis of a decade or two. */
    public static void labelWithinDecades(AxesChartStyler styler) {
        styler.setYAxisLogarithmicDecadeOnly(false);
        styler.setYAxisTickLabelsFormattingFunction(
                value -> "125".indexOf(leadingDigit(value)) >= 0 ? tick(value) : "");
    }

    private static char leadingDigit(double value) {
        return String.format(Locale.ROOT, "%.0e", value).charAt(0);
    }

    /** 0.001, 10000: plain digits; only beyond a thousandth and a million 1e-04. */
    static String tick(double value) {
        boolean plain = value == 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e6);
        return plain
                ? new BigDecimal(value)
                        .round(new MathContext(6))
                        .stripTrailingZeros()
                        .toPlainString()
                : String.format(Locale.ROOT, "%.0e", value);
    }
}
