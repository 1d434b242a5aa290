package org.batchnorm.bench.experiments.papers;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.batchnorm.bench.output.ChartGrid;
import org.batchnorm.bench.output.Columns;
import org.batchnorm.state.ReplacedFile;
import org.knowm.xchart.ChartEncoder;
import org.knowm.xchart.XYChart;

/**
 * The page of an experiment, in Markdown, with one picture of all its charts: a title that says the finding, the
 * question, the protocol, each claim with what is seen of it here, tables.
 */
final class Page {
    /** The page's file: what a folder shows on the web. */
    static final String FILE = "README.md";

    private static final int COLUMNS = 2;

    private final String name;
    private final String question;
    private final String origin;
    private final List<XYChart> charts = new ArrayList<>();
    private final List<String> claims = new ArrayList<>();
    private final List<String> tables = new ArrayList<>();
    private String finding = "";
    private String protocol = "";

    Page(String name, String question, String origin) {
        this.name = name;
        this.question = question;
        this.origin = origin;
    }

    /** The title: what was found, in one line. */
    Page finding(String words, Object... values) {
        finding = format(words, values);
        return this;
    }

    Page protocol(String words, Object... values) {
        protocol = format(words, values);
        return this;
    }

    /**
     * A claim of a paper.
     *
     * @param claim what the paper says
     * @param holds whether the numbers here say the same
     * @param here the numbers, in words
     */
    Page claim(String claim, boolean holds, String here, Object... values) {
        claims.add("- " + claim + " **" + (holds ? "So it is here" : "Not so here") + "**: " + format(here, values));
        return this;
    }

    /** Something that the reader should know and that no paper claims. */
    Page note(String words, Object... values) {
        claims.add("- " + format(words, values));
        return this;
    }

    <R> Page table(Columns<R> columns, List<R> rows) {
        tables.add(columns.markdown(rows).stream().map(line -> line + "\n").collect(Collectors.joining()));
        return this;
    }

    Page chart(LineChart chart) {
        charts.add(chart.chart());
        return this;
    }

    /** "97.97 (97.9–98.0)": the mean and the range of the seeds. */
    static String meanAndRange(Series series, double x) {
        return meanAndRange(series, x, 2);
    }

    static String meanAndRange(Series series, double x, int digits) {
        String number = "%." + digits + "f";
        return format(number + " (" + number + "–" + number + ")", series.mean(x), series.min(x), series.max(x));
    }

    /** Formats with a point in numbers wherever this runs. */
    @SuppressWarnings("AnnotateFormatMethod") // Tests write every page.
    static String format(String words, Object... values) {
        return values.length == 0 ? words : String.format(Locale.ROOT, words, values);
    }

    /**
     * Writes the page and its picture.
     *
     * @throws IOException if they cannot be written, or not be drawn because the machine has no fonts
     */
    void write(Path directory) throws IOException {
        writePicture(directory);
        ReplacedFile.write(directory.resolve(FILE), out -> out.write(markdown().getBytes(StandardCharsets.UTF_8)));
    }

    private void writePicture(Path directory) throws IOException {
        ChartGrid grid = new ChartGrid(charts, Math.min(COLUMNS, charts.size()));
        try {
            for (String format : List.of("png", "svg")) {
                ReplacedFile.write(
                        directory.resolve(name + "." + format), out -> ChartEncoder.saveChart(grid, out, format));
            }
        } catch (RuntimeException | LinkageError | InternalError e) {
            throw new IOException(
                    "the pictures cannot be drawn (" + e + "); drawing needs fonts, install fontconfig and a font", e);
        }
    }

    String markdown() {
        String picture = "![" + finding + "](" + name + ".png)";
        return "# " + finding + "\n\n" + question + "\n\n" + picture + "\n\n" + String.join("\n", claims) + "\n\n"
                + String.join("\n", tables) + (tables.isEmpty() ? "" : "\n") + "**Protocol.** " + protocol + "\n\n"
                + "Lines are means over the seeds, bands their range. Numbers: [results.csv](results.csv) (" + origin
                + ").\n";
    }
}
