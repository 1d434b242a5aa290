package org.batchnorm.bench.experiments.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.batchnorm.bench.experiments.data.Dataset;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;

/** The pictures of a training: small files, and ticks that can be read. */
class CurveFilesTest {
    private static final int PIXELS_OF_A_DIGIT = 8;

    @TempDir
    private Path folder;

    @BeforeAll
    static void drawWithoutAScreen() {
        System.setProperty("java.awt.headless", "true");
    }

    /** Each step with an evaluation, as on the digits: 2000 epochs gave an SVG of 37 MB, these steps one of 6. */
    @Test
    void aLongTrainingMakesSmallPictures() throws IOException {
        write(8000, 1);
        assertThat(Files.readAllLines(folder.resolve("curves.csv"))).hasSize(1 + 2 * 8000);
        for (String name : List.of("accuracy.svg", "loss.svg")) {
            assertThat(Files.size(folder.resolve(name))).isLessThan(2_000_000);
        }
    }

    /** They were multiples of the steps between evaluations, 0, 23, 46, …, and ran into each other. */
    @ParameterizedTest
    @CsvSource({"8, 1", "100, 1", "690, 1", "690, 23", "1380, 23", "4600, 46", "46000, 23", "100000, 777"})
    void ticksAreRoundAndApart(int steps, int evaluateEvery) {
        CurveFiles files = files(steps, evaluateEvery);
        for (XYChart chart : List.of(files.accuracyChart(), files.lossChart())) {
            List<Double> ticks = ticks(chart);
            double apart = ticks.get(1) - ticks.get(0);
            assertThat(ticks).first().isEqualTo(0.0);
            assertThat(ticks).hasSizeBetween(4, 20).last().isEqualTo(apart * (ticks.size() - 1));
            double mantissa = apart / Math.pow(10, Math.floor(Math.log10(apart)));
            assertThat(mantissa).isIn(1.0, 2.0, 2.5, 5.0);
            double pixels = apart / steps * (chart.getWidth() - 120);
            int longest = String.format(Locale.ROOT, "%.0f", ticks.getLast()).length();
            assertThat(pixels).isGreaterThan((longest + 1) * PIXELS_OF_A_DIGIT);
        }
    }

    /** They were 0, 0, 0, 1, 1, …: tenths of steps, rounded. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 5, 7})
    void theTicksOfAFewStepsAreWholeSteps(int steps) {
        CurveFiles files = files(steps, 1);
        for (XYChart chart : List.of(files.accuracyChart(), files.lossChart())) {
            Function<Double, String> label = chart.getStyler().getXAxisTickLabelsFormattingFunction();
            List<String> labels = ticks(chart).stream()
                    .map(label)
                    .filter(text -> !text.isEmpty())
                    .toList();
            assertThat(labels)
                    .isEqualTo(IntStream.rangeClosed(0, steps)
                            .mapToObj(Integer::toString)
                            .toList());
        }
    }

    /** Where XChart's last attempt set its ticks: it asks for their labels, from the first to the last. */
    private static List<Double> ticks(XYChart chart) {
        List<Double> asked = new ArrayList<>();
        Function<Double, String> label = chart.getStyler().getXAxisTickLabelsFormattingFunction();
        chart.getStyler().setXAxisTickLabelsFormattingFunction(value -> {
            asked.add(value);
            return label.apply(value);
        });
        assertThat(BitmapEncoder.getBufferedImage(chart)).isNotNull();
        List<Double> ticks = asked.subList(asked.lastIndexOf(0.0), asked.size());
        return ticks.stream().filter(value -> value >= 0).distinct().toList();
    }

    private void write(int steps, int evaluateEvery) throws IOException {
        CurveFiles files = files(steps, evaluateEvery);
        files.writeCsv(folder);
        files.writePictures(folder);
    }

    private static CurveFiles files(int steps, int evaluateEvery) {
        return new CurveFiles(
                "a training",
                List.of(trainee("without", steps, evaluateEvery, 0.5), trainee("with", steps, evaluateEvery, 0.25)));
    }

    private static Trainee trainee(String name, int steps, int evaluateEvery, double best) {
        Curve curve = new Curve(steps);
        for (int step = 1; step <= steps; step++) {
            double loss = best + 2.0 / step;
            curve.addStep(loss, 1, 0);
            if (step % evaluateEvery == 0 || step == steps) {
                curve.addEvaluation(loss, 1 / (1 + loss));
            }
        }
        return new Trainee() {
            @Override
            public String name() {
                return name;
            }

            @Override
            public Curve curve() {
                return curve;
            }

            @Override
            public boolean hasBatchNorm() {
                return name.equals("with");
            }

            @Override
            public String place() {
                return "nowhere";
            }

            @Override
            public void step(Batch batch) {
                throw new UnsupportedOperationException();
            }

            @Override
            public void evaluate(Dataset test) {
                throw new UnsupportedOperationException();
            }

            @Override
            public void close() {}
        };
    }
}
