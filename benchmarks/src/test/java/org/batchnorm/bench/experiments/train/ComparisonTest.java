package org.batchnorm.bench.experiments.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.batchnorm.BatchNorm;
import org.batchnorm.bench.experiments.data.Digits;
import org.batchnorm.bench.experiments.data.TrainTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ComparisonTest {
    private static final TrainTest DIGITS = Digits.load();

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
                NetworkKind.TEXTBOOK,
                Placement.AFTER,
                OptimizerKind.SGD,
                new Settings(60, 150, 5, OptimizerKind.SGD.defaultLearningRate(NetworkKind.TEXTBOOK), 1),
                features -> BatchNorm.builder(features).build())) {
            comparison.run(step -> {});

            Curve without = comparison.trainees().get(0).curve();
            Curve with = comparison.trainees().get(1).curve();
            assertThat(with.stepsTo(0.97)).isPresent();
            assertThat(with.stepsTo(0.97).getAsInt())
                    .isLessThan(without.stepsTo(0.97).orElse(Integer.MAX_VALUE));
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
        assertThat(NetworkKind.PAPER
                        .build(64, 10, Placement.BEFORE, java.util.Optional.empty(), 3)
                        .parameters()
                        .getFirst()
                        .value())
                .isEqualTo(NetworkKind.PAPER
                        .build(64, 10, Placement.BEFORE, java.util.Optional.empty(), 3)
                        .parameters()
                        .getFirst()
                        .value());
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
                network,
                placement,
                optimizer,
                settings,
                features -> BatchNorm.builder(features)
                        .backend(backend)
                        .threads(threads)
                        .build())) {
            comparison.run(step -> {});
            List<Double> losses = new ArrayList<>();
            for (Trainee trainee : comparison.trainees()) {
                for (int step = 1; step <= settings.steps(); step++) {
                    losses.add(trainee.curve().trainingLoss(step));
                }
                losses.add(trainee.curve().lastEvaluation().testLoss());
            }
            return losses;
        }
    }

    private static Comparison textbook(Settings settings) {
        return Comparison.withAndWithout(
                DIGITS,
                NetworkKind.TEXTBOOK,
                Placement.AFTER,
                OptimizerKind.SGD,
                settings,
                features -> BatchNorm.builder(features).backend("scalar").build());
    }
}
