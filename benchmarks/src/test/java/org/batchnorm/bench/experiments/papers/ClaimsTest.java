package org.batchnorm.bench.experiments.papers;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import org.batchnorm.BatchNorm;
import org.batchnorm.bench.experiments.data.Digits;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The direction of each claim, in every one of four seeds and with a margin, on the digits: in the brief form or, with
 * {@code -Pexperiments}, in the quick one.
 */
@Tag("thorough")
class ClaimsTest {
    private static final Scale SCALE =
            Scale.valueOf(System.getProperty("batchnorm.experiments", "brief").toUpperCase(Locale.ROOT));
    private static final int SEEDS = 4;

    @TempDir
    private Path directory;

    @BeforeAll
    static void drawWithoutAScreen() {
        System.setProperty("java.awt.headless", "true");
    }

    @Test
    void convergence() throws IOException {
        Table table = run("convergence");
        Series with = table.series(Convergence.ACCURACY, Convergence.WITH);
        Series without = table.series(Convergence.ACCURACY, Convergence.WITHOUT);

        assertThat(without.isBelow(with, 100, 50)).isTrue();
        assertThat(without.isBelow(with, 200, 50)).isTrue();
        assertThat(Convergence.path(table, Convergence.WITH)
                        .isBelow(Convergence.path(table, Convergence.WITHOUT), 0, 2))
                .isTrue();
    }

    @Test
    void whitening() throws IOException {
        Table table = run("whitening");
        Series outside = table.series(InsideTheGradient.BIAS, InsideTheGradient.BIAS_OUTSIDE);
        Series inside = table.series(InsideTheGradient.BIAS, InsideTheGradient.BIAS_INSIDE);
        Series unchanged = table.series(InsideTheGradient.OUTPUT_CHANGE, InsideTheGradient.BIAS_OUTSIDE);
        double end = outside.last();

        // The bias grows in proportion to the steps, and the output does not move.
        assertThat(outside.times(1.9).valuesAt(end / 2).isBelow(outside.valuesAt(end), 0))
                .isTrue();
        assertThat(outside.min(end)).isGreaterThan(1);
        assertThat(unchanged.max(end)).isLessThan(1e-3);
        assertThat(inside.max(end)).isLessThan(1e-4);
        Series whitening = table.series(WhiteningCost.WHITENING, WhiteningCost.VARIANT);
        Series batchNorm = table.series(WhiteningCost.BATCH_NORM, WhiteningCost.VARIANT);
        assertThat(batchNorm.times(20).isBelow(whitening, 100)).isTrue();
    }

    @Test
    void learningRate() throws IOException {
        Table table = run("learning-rate");
        Series with = table.series(LearningRate.ACCURACY, LearningRate.WITH);
        Series without = table.series(LearningRate.ACCURACY, LearningRate.WITHOUT);

        assertThat(with.min(2)).isGreaterThan(90);
        assertThat(without.max(2)).isLessThan(60);
        for (String quantity : new String[] {LearningRate.OUTPUT_CHANGE, LearningRate.GRADIENT_CHANGE}) {
            Series scaled = table.series(quantity, LearningRate.SCALED);
            Series usual = table.series(quantity, LearningRate.USUAL);
            assertThat(scaled.xs()).hasSize(13).allMatch(a -> scaled.max(a) < 1e-6);
            assertThat(usual.min(StrictMath.scalb(1.0, -12))).isGreaterThan(0.5);
            assertThat(usual.max(16)).isLessThan(1e-4);
        }
    }

    @Test
    void inferenceStatistics() throws IOException {
        Table table = run("inference-statistics");
        Series exact = table.series(InferenceStatistics.ACCURACY, InferenceStatistics.POPULATION);
        Series slow = table.series(InferenceStatistics.ACCURACY, InferenceStatistics.variant(0.001));
        Series usual = table.series(InferenceStatistics.ACCURACY, InferenceStatistics.variant(0.1));

        assertThat(slow.isBelow(exact, 100, 30)).isTrue();
        assertThat(usual.isBelow(exact, 20, 5)).isTrue();
        assertThat(exact.isBelow(usual, 200, 3)).isFalse();
        assertThat(usual.isBelow(exact, 200, 3)).isFalse();
    }

    @Test
    void batchSize() throws IOException {
        Table table = run("batch-size");
        Series running = table.series(BatchSize.ACCURACY, BatchSize.WITH);
        Series population = table.series(BatchSize.POPULATION, BatchSize.WITH);
        Series without = table.series(BatchSize.ACCURACY, BatchSize.WITHOUT);

        assertThat(running.isBelow(without, 2, 5)).isTrue();
        assertThat(population.isBelow(without, 2, 5)).isTrue();
        assertThat(without.isBelow(population, 8, 1)).isTrue();
    }

    @Test
    void nonlinearity() throws IOException {
        Table table = run("nonlinearity");
        Series affine = table.series(Nonlinearity.BENT, Nonlinearity.AFFINE);
        Series plain = table.series(Nonlinearity.BENT, Nonlinearity.PLAIN);
        double end = affine.last();

        assertThat(plain.isBelow(affine, end, 0.1)).isTrue();
        assertThat(plain.max(end)).isLessThan(2);
        assertThat(table.series(Nonlinearity.GAMMA, Nonlinearity.AFFINE).min(end))
                .isGreaterThan(1.05);
    }

    @Test
    void shift() throws IOException {
        Table table = run("shift");

        // As the paper finds: at first a little more with batch norm.
        assertThat(Shift.early(table, Santurkar.WITHOUT).isBelow(Shift.early(table, Santurkar.WITH), 0, 0.02))
                .isTrue();
        // Not as the paper finds: later less.
        assertThat(Shift.late(table, Santurkar.WITH, Santurkar.HIGH_RATE)
                        .isBelow(Shift.late(table, Santurkar.WITHOUT, Santurkar.HIGH_RATE), 0, 0.1))
                .isTrue();
    }

    @Test
    void landscape() throws IOException {
        Table table = run("landscape");

        Series without = smoothness(table, Santurkar.WITHOUT);
        assertThat(smoothness(table, Santurkar.WITH).times(1.3).isBelow(without, 0))
                .isTrue();
        assertThat(smoothness(table, Santurkar.NOISY).times(1.2).isBelow(without, 0))
                .isTrue();
    }

    private static Series smoothness(Table table, String kind) {
        return table.series(Landscape.SMOOTHNESS, Santurkar.variant(kind, Santurkar.HIGH_RATE))
                .meanFrom(20);
    }

    @Test
    void regularization() throws IOException {
        Table table = run("regularization");
        Series neither = table.series(Regularization.EARLY, Regularization.NEITHER);
        double most = neither.last();

        assertThat(neither.isBelow(table.series(Regularization.EARLY, Regularization.BATCH_NORM), most, 3))
                .isTrue();
        assertThat(table.series(Regularization.TRAIN, Regularization.BATCH_NORM).min(most))
                .isGreaterThan(99);
    }

    @Test
    void placement() throws IOException {
        Table table = run("placement");
        Series without = table.series(BeforeOrAfter.ACCURACY, BeforeOrAfter.WITHOUT);

        assertThat(without.isBelow(table.series(BeforeOrAfter.ACCURACY, BeforeOrAfter.BEFORE), 50, 3))
                .isTrue();
        assertThat(without.isBelow(table.series(BeforeOrAfter.ACCURACY, BeforeOrAfter.AFTER), 50, 3))
                .isTrue();
    }

    /** Runs an experiment, and lets it write its page. */
    private Table run(String name) throws IOException {
        Setting setting = new Setting(
                Digits.load(),
                SCALE,
                SEEDS,
                features -> BatchNorm.builder(features).threads(1));
        ExperimentRun run = new ExperimentRun(Experiments.named(name), setting, directory);
        run.run((work, what) -> assertThat(work).isBetween(0L, run.runs() * 1_000_000L));
        assertThat(directory.resolve(Page.FILE)).content().startsWith("# ").contains("**Protocol.** ", "here**");
        assertThat(new ExperimentRun(Experiments.named(name), setting, directory).missing())
                .isZero();
        return run.results();
    }
}
