package org.batchnorm.bench.output;

import java.awt.Color;
import java.util.List;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.lines.SeriesLines;
import org.knowm.xchart.style.markers.Marker;
import org.knowm.xchart.style.markers.SeriesMarkers;

/**
 * What tells a line from the others of a picture: its colour is one of Okabe and Ito's, which colour-blind readers tell
 * apart; its marker tells it apart in black and white.
 *
 * @param color of the line and its markers
 * @param marker at its points
 */
public record Look(Color color, Marker marker) {

    /** Masataka Okabe, Kei Ito: Color Universal Design, 2002; without their yellow, which is faint on white. */
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

    /** How many there are: every colour with every marker. */
    public static final int COUNT = COLORS.size() * MARKERS.size();

    /**
     * One of them. The first have different colours and markers; from the eighth on a colour comes again, with another
     * marker.
     *
     * @param number ≥ 0; from {@link #COUNT} on they begin anew
     */
    public static Look of(int number) {
        int round = number / COLORS.size();
        return new Look(COLORS.get(number % COLORS.size()), MARKERS.get((number + round) % MARKERS.size()));
    }

    /** Draws a line so. */
    public void on(XYSeries line) {
        line.setMarker(marker).setMarkerColor(color).setLineColor(color).setLineStyle(SeriesLines.SOLID);
    }

    /** The colour, two thirds of the way to white. */
    public Color pale() {
        return new Color(pale(color.getRed()), pale(color.getGreen()), pale(color.getBlue()));
    }

    private static int pale(int component) {
        return component + (255 - component) * 2 / 3;
    }
}
