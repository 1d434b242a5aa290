package org.batchnorm.bench.experiments.train;

import java.awt.Color;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import org.batchnorm.bench.output.Look;
import org.batchnorm.state.ReplacedFile;
import org.knowm.xchart.ChartEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/**
 * Writes the curves of a comparison: {@code curves.csv}, and the accuracy and the loss as pictures,
 * {@code accuracy.png}, {@code accuracy.svg}, {@code loss.png}, {@code loss.svg}. The numbers hold no times: the same
 * seed gives the same CSV, byte for byte.
 */
public final class CurveFiles {

    /** The names of all files. */
    public static final List<String> NAMES =
            List.of("curves.csv", "accuracy.png", "accuracy.svg", "loss.png", "loss.svg");

    private static final String CSV_HEADER = "network,step,training_loss,test_loss,test_accuracy";
    /** With batch norm, without: as the experiments' pictures have them. */
    private static final List<Look> LOOKS = List.of(Look.of(1), Look.of(0));

    private static final int WIDTH = 900;
    private static final int HEIGHT = 540;

    /** The most points of a line: more than there is room for would only make the files large. */
    static final int MOST_POINTS = 600;

    private static final double OFF_THE_STEPS = 0.3;
    private static final double SAME_STEP = 1e-6;

    private final String title;
    private final List<Trainee> trainees;

    /**
     * The files of one comparison.
     *
     * @param title of the pictures: what was trained on what, and how
     */
    public CurveFiles(String title, List<Trainee> trainees) {
        this.title = title;
        this.trainees = List.copyOf(trainees);
    }

    /** Writes the CSV: a line a network and step; the test columns are empty where there was no evaluation. */
    public void writeCsv(Path directory) throws IOException {
        ReplacedFile.write(directory.resolve("curves.csv"), out -> {
            PrintWriter csv = new PrintWriter(out, false, StandardCharsets.UTF_8);
            csv.print(CSV_HEADER + "\n");
            for (Trainee trainee : trainees) {
                int evaluation = 0;
                Curve curve = trainee.curve();
                for (int step = 1; step <= curve.steps(); step++) {
                    csv.print(trainee.name() + "," + step + "," + curve.trainingLoss(step));
                    Curve.Evaluation next = curve.evaluations().get(evaluation);
                    if (next.step() == step) {
                        csv.print("," + next.testLoss() + "," + next.testAccuracy() + "\n");
                        evaluation++;
                    } else {
                        csv.print(",,\n");
                    }
                }
            }
            csv.flush();
            if (csv.checkError()) {
                throw new IOException("the data could not be written");
            }
        });
    }

    /**
     * Draws the accuracy and the loss and writes them as PNG and SVG.
     *
     * @throws IOException if they cannot be written, or not be drawn because the machine has no fonts
     */
    public void writePictures(Path directory) throws IOException {
        try {
            write(directory, "accuracy", accuracyChart());
            write(directory, "loss", lossChart());
        } catch (RuntimeException | LinkageError | InternalError e) {
            throw new IOException(
                    "the pictures cannot be drawn (" + e + "); drawing needs fonts, install fontconfig and a font", e);
        }
    }

    private static void write(Path directory, String name, XYChart chart) throws IOException {
        for (String format : List.of("png", "svg")) {
            ReplacedFile.write(
                    directory.resolve(name + "." + format), out -> ChartEncoder.saveChart(chart, out, format));
        }
    }

    XYChart accuracyChart() {
        XYChart chart = chart("test accuracy in %");
        chart.getStyler().setLegendPosition(Styler.LegendPosition.InsideSE);
        for (int i = 0; i < trainees.size(); i++) {
            Trainee trainee = trainees.get(i);
            add(chart, trainee, trainee.name() + " batch norm", (before, evaluation) -> 100 * evaluation.testAccuracy())
                    .setLineColor(LOOKS.get(i).color());
        }
        return chart;
    }

    XYChart lossChart() {
        XYChart chart = chart("loss (cross-entropy)");
        chart.getStyler().setYAxisLogarithmic(true);
        chart.getStyler().setLegendPosition(Styler.LegendPosition.InsideNE);
        for (int i = 0; i < trainees.size(); i++) {
            Trainee trainee = trainees.get(i);
            String name = trainee.name() + " batch norm, training";
            add(chart, trainee, name, (before, at) -> trainee.curve().meanTrainingLoss(before, at.step()))
                    .setLineColor(LOOKS.get(i).pale())
                    .setLineWidth(1);
        }
        for (int i = 0; i < trainees.size(); i++) {
            Trainee trainee = trainees.get(i);
            add(chart, trainee, trainee.name() + " batch norm, test", (before, evaluation) -> evaluation.testLoss())
                    .setLineColor(LOOKS.get(i).color());
        }
        return chart;
    }

    private XYChart chart(String yTitle) {
        XYChart chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title(title)
                .xAxisTitle("steps")
                .yAxisTitle(yTitle)
                .theme(Styler.ChartTheme.Matlab)
                .build();
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setXAxisMin(0.0);
        chart.getStyler().setXAxisTickLabelsFormattingFunction(CurveFiles::wholeSteps);
        chart.getStyler().setDefaultSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Line);
        return chart;
    }

    /** Of few steps XChart sets ticks at tenths of them, which get no label. */
    private static String wholeSteps(double step) {
        return Math.abs(step - Math.rint(step)) < SAME_STEP ? String.format(Locale.ROOT, "%.0f", step) : "";
    }

    /** One line; where the network diverged there is none. */
    private static XYSeries add(XYChart chart, Trainee trainee, String name, Height height) {
        // Where all steps are as far apart XChart sets ticks at multiples of that, else at round numbers.
        List<Double> steps = new ArrayList<>(List.of(0.0, OFF_THE_STEPS));
        List<Double> values = new ArrayList<>(List.of(Double.NaN, Double.NaN));
        int before = 0;
        for (Curve.Evaluation evaluation : drawn(trainee.curve().evaluations())) {
            double y = height.of(before, evaluation);
            before = evaluation.step();
            if (Double.isFinite(y)) {
                steps.add((double) evaluation.step());
                values.add(y);
            }
        }
        XYSeries series = chart.addSeries(name, steps, values);
        series.setMarker(SeriesMarkers.NONE);
        return series;
    }

    /** All of them or, evenly spread, as many as a line may have, the first and the last among them. */
    private static List<Curve.Evaluation> drawn(List<Curve.Evaluation> all) {
        if (all.size() <= MOST_POINTS) {
            return all;
        }
        return IntStream.range(0, MOST_POINTS)
                .mapToObj(i -> all.get((int) ((long) i * (all.size() - 1) / (MOST_POINTS - 1))))
                .toList();
    }

    /** What a line shows at an evaluation. */
    private interface Height {

        /** Of an evaluation, and of the steps after the one that was drawn before it. */
        double of(int stepBefore, Curve.Evaluation evaluation);
    }
}
