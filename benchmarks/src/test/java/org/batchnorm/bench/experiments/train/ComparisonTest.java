package org.batchnorm.bench.experiments.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.withinPercentage;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.batchnorm.BatchNormBuilder;
import org.batchnorm.bench.experiments.data.Digits;
import org.batchnorm.bench.experiments.data.TrainTest;
import org.batchnorm.bench.experiments.network.Sequential;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class ComparisonTest {
    private static final TrainTest DIGITS = Digits.load();
    private static final Architecture TEXTBOOK = Architecture.unfused(NetworkKind.TEXTBOOK, Placement.AFTER);

    @ParameterizedTest
    @CsvSource({
        "TEXTBOOK, BEFORE, SGD, scalar",
        "TEXTBOOK, AFTER, ADAM, scalar",
        "TEXTBOOK, AFTER, SGD, vector",
        "PAPER, BEFORE, SGD, vector",
        "PAPER, AFTER, ADAM, vector"
    })
    void sameSeedSameNumbersWhateverTheThreads(
            NetworkKind network, Placement placement, OptimizerKind optimizer, String backend) {
        List<List<Double>> runs = new ArrayList<>();
        for (int threads : new int[] {1, 2, 2}) {
            runs.add(losses(network, placement, optimizer, new Settings(60, 6, 3, 0.01, 7), backend, threads));
        }

        assertThat(runs.get(1)).isEqualTo(runs.get(0));
        assertThat(runs.get(2)).isEqualTo(runs.get(0));
    }

    @Test
    void anotherSeedGivesOtherNumbers() {
        assertThat(textbookLosses(8)).isNotEqualTo(textbookLosses(9));
    }

    @Test
    void withBatchNormTheDigitsAreLearnedInFewerSteps() {
        try (Comparison comparison = Comparison.withAndWithout(
                DIGITS,
                TEXTBOOK,
                OptimizerKind.SGD,
                new Settings(60, 150, 5, OptimizerKind.SGD.defaultLearningRate(NetworkKind.TEXTBOOK), 1),
                BatchNormBuilder::build)) {
            comparison.run(step -> {});

            Curve without = comparison.trainees().get(0).curve();
            Curve with = comparison.trainees().get(1).curve();
            assertThat(with.stepsTo(0.97)).isPresent();
            assertThat(with.stepsTo(0.97).getAsInt())
                    .isLessThan(without.stepsTo(0.97).orElse(Integer.MAX_VALUE));
        }
    }

    /** The first step differs by rounding alone; later ones by what training makes of it. */
    @ParameterizedTest
    @EnumSource(Placement.class)
    void fusedActivationsChangeResultsByRoundingOnly(Placement placement) {
        Settings settings = new Settings(60, 4, 4, 0.01, 5);
        List<Double> unfused = losses(NetworkKind.TEXTBOOK, placement, OptimizerKind.SGD, settings, "scalar", 1);
        List<Double> fused = new ArrayList<>();
        try (Comparison comparison = Comparison.withAndWithout(
                DIGITS,
                Architecture.fused(NetworkKind.TEXTBOOK, placement),
                OptimizerKind.SGD,
                settings,
                builder -> builder.backend("scalar").threads(1).build())) {
            comparison.run(step -> {});
            addLosses(comparison, settings, fused);
            assertThat(comparison.trainees().getLast().curve().medianBetweenLinearNanos())
                    .isPositive();
        }

        assertThat(fused.subList(0, 5)).as("without batch norm").isEqualTo(unfused.subList(0, 5));
        for (int i = 5; i < fused.size(); i++) {
            assertThat(fused.get(i)).isCloseTo(unfused.get(i), withinPercentage(0.01));
        }
    }

    /** With batch norm's own activation the network has none besides; a sigmoid stays a layer. */
    @ParameterizedTest
    @CsvSource({"TEXTBOOK, AFTER, 7", "TEXTBOOK, BEFORE, 7", "PAPER, BEFORE, 10", "PAPER, AFTER, 10"})
    void onlyWhatBatchNormCanDoIsLeftToIt(NetworkKind network, Placement placement, int layers) {
        Settings settings = new Settings(60, 1, 1, 0.01, 5);
        try (Comparison comparison = Comparison.withAndWithout(
                DIGITS,
                Architecture.fused(network, placement),
                OptimizerKind.SGD,
                settings,
                builder -> builder.backend("scalar").build())) {
            NetworkTrainee with = (NetworkTrainee) comparison.trainees().getLast();
            assertThat(with.classifier.network().layers()).hasSize(layers);
        }
    }

    @Test
    void evaluatesAtIntervalsAndAtTheEnd() {
        try (Comparison comparison = textbook(new Settings(60, 7, 3, 0.01, 1))) {
            List<Integer> steps = new ArrayList<>();
            comparison.run(steps::add);

            assertThat(steps).containsExactly(1, 2, 3, 4, 5, 6, 7);
            for (Trainee trainee : comparison.trainees()) {
                assertThat(trainee.curve().evaluations())
                        .extracting(Curve.Evaluation::step)
                        .containsExactly(3, 6, 7);
            }
        }
    }

    @Test
    void bothNetworksStartFromTheSameWeights() {
        try (Comparison comparison = textbook(new Settings(60, 1, 1, 0.01, 3))) {
            comparison.run(step -> {});
            assertThat(comparison.trainees().get(0).hasBatchNorm()).isFalse();
            assertThat(comparison.trainees().get(1).place()).isEqualTo("scalar");
        }
        Architecture paper = Architecture.unfused(NetworkKind.PAPER, Placement.BEFORE);
        try (Sequential without = paper.build(64, 10, Optional.empty(), 3);
                Sequential with = paper.build(64, 10, Optional.of(BatchNormBuilder::build), 3)) {
            assertThat(with.parameters().getFirst().value())
                    .isEqualTo(without.parameters().getFirst().value());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 0, 1, 1439})
    void refusesBatchSizes(int batchSize) {
        assertThatThrownBy(() -> Settings.stepsPerEpoch(DIGITS, batchSize))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("batch size: " + batchSize + " given, must be at least 2 and at most 1438");
    }

    @ParameterizedTest
    @CsvSource({
        "1, 1, 1, 0.1, batch size: 1",
        "2, 0, 1, 0.1, steps: 0",
        "2, 1, 0, 0.1, steps between evaluations: 0",
        "2, 1, 1, 0, learning rate: 0.0",
        "2, 1, 1, NaN, learning rate: NaN",
        "2, 1, 1, Infinity, learning rate: Infinity"
    })
    void refusesSettings(int batchSize, int steps, int evaluateEvery, double learningRate, String message) {
        assertThatThrownBy(() -> new Settings(batchSize, steps, evaluateEvery, learningRate, 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message + " given, must be");
    }

    @Test
    void batchesHaveEveryImageAtMostOnceAnEpoch() {
        BatchOrder order = new BatchOrder(10, 3, 1);
        int[] batch = new int[3];
        List<Integer> epoch = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            order.next(batch);
            for (int image : batch) {
                epoch.add(image);
            }
        }
        assertThat(epoch).doesNotHaveDuplicates().allMatch(image -> image >= 0 && image < 10);
    }

    private static List<Double> textbookLosses(long seed) {
        return losses(
                NetworkKind.TEXTBOOK,
                Placement.AFTER,
                OptimizerKind.SGD,
                new Settings(60, 3, 3, 0.01, seed),
                "scalar",
                1);
    }

    private static List<Double> losses(
            NetworkKind network,
            Placement placement,
            OptimizerKind optimizer,
            Settings settings,
            String backend,
            int threads) {
        try (Comparison comparison = Comparison.withAndWithout(
                DIGITS,
                Architecture.unfused(network, placement),
                optimizer,
                settings,
                builder -> builder.backend(backend).threads(threads).build())) {
            comparison.run(step -> {});
            List<Double> losses = new ArrayList<>();
            addLosses(comparison, settings, losses);
            return losses;
        }
    }

    private static void addLosses(Comparison comparison, Settings settings, List<Double> losses) {
        for (Trainee trainee : comparison.trainees()) {
            for (int step = 1; step <= settings.steps(); step++) {
                losses.add(trainee.curve().trainingLoss(step));
            }
            losses.add(trainee.curve().lastEvaluation().testLoss());
        }
    }

    private static Comparison textbook(Settings settings) {
        return Comparison.withAndWithout(
                DIGITS,
                TEXTBOOK,
                OptimizerKind.SGD,
                settings,
                builder -> builder.backend("scalar").build());
    }
}
