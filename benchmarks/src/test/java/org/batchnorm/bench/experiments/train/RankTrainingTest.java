package org.batchnorm.bench.experiments.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.batchnorm.bench.experiments.data.Digits;
import org.batchnorm.bench.experiments.data.TrainTest;
import org.batchnorm.bench.experiments.network.Parameter;
import org.batchnorm.bench.experiments.network.Sequential;
import org.batchnorm.spi.InProcessExchange;
import org.batchnorm.spi.StatisticsExchange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Training by several ranks, here threads; under mpirun it is tried by MpirunTrainTest. */
class RankTrainingTest {
    private static final TrainTest DIGITS = Digits.load();
    private static final Settings TWENTY_STEPS = new Settings(60, 20, 5, 0.05, 3);
    private static final PermutedRuns SINGLE = new PermutedRuns(TWENTY_STEPS);

    @Test
    void ranksTrainAsOneProcessDoes() {
        for (int ranks : new int[] {2, 3, 4}) {
            List<List<double[]>> runs = onRanks(ranks, exchange -> train(TWENTY_STEPS, exchange));
            assertThat(SINGLE.outliers(runs.getFirst())).as(ranks + " ranks").isEmpty();
            for (List<double[]> run : runs) {
                assertThat(run)
                        .as("the same bits on every rank")
                        .usingElementComparator(Arrays::compare)
                        .isEqualTo(runs.getFirst());
            }
        }
    }

    /** The measure above tells a training that differs by less than users would see. */
    @Test
    void anotherLearningRateIsNotTakenForRounding() {
        Settings other = new Settings(60, 20, 5, 0.050001, 3);
        assertThat(SINGLE.outliers(
                        onRanks(2, exchange -> train(other, exchange)).getFirst()))
                .isNotEmpty();
    }

    /** Some have no rows at all. */
    @Test
    void thereMayBeMoreRanksThanRows() {
        List<List<double[]>> runs = onRanks(4, exchange -> train(new Settings(2, 3, 1, 0.01, 1), exchange));
        assertThat(runs.getLast().getFirst()).hasSize(3).doesNotContain(Double.NaN);
        assertThat(runs.getLast()).usingElementComparator(Arrays::compare).isEqualTo(runs.getFirst());
    }

    @Test
    void allStartFromTheFirstRanksWeights() {
        List<float[]> weights = onRanks(3, exchange -> {
            Sequential network = network(exchange.rank());
            List<Parameter> parameters = network.parameters();
            try (Trainee trainee = new RankTrainee(
                    "with",
                    network,
                    OptimizerKind.SGD.rule().optimizer(parameters, 0.05),
                    TWENTY_STEPS,
                    new TimedExchange(exchange))) {
                assertThat(trainee.name()).isEqualTo("with");
                return parameters.getFirst().value().clone();
            }
        });
        float[] ofRankZero = network(0).parameters().getFirst().value();
        assertThat(weights).allSatisfy(ofRank -> assertThat(ofRank).isEqualTo(ofRankZero));
        assertThat(network(1).parameters().getFirst().value()).isNotEqualTo(ofRankZero);
    }

    @ParameterizedTest
    @CsvSource({"60, 4", "7, 3", "2, 4", "0, 2"})
    void partsAreAllOfItAndAboutAsLarge(int n, int size) {
        int next = 0;
        for (int rank = 0; rank < size; rank++) {
            Part part = new Part(rank, size);
            assertThat(part.start(n)).isEqualTo(next);
            next = part.end(n);
            assertThat(next - part.start(n)).isBetween(n / size, n / size + 1);
        }
        assertThat(next).isEqualTo(n);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void theTableTellsOfExchanges(int ranks) {
        List<String> tables = onRanks(ranks, exchange -> {
            try (Comparison comparison = comparison(new Settings(60, 3, 3, 0.01, 1), exchange)) {
                comparison.run(step -> {});
                return new ComparisonTable(comparison.trainees(), 3, 0.97).render();
            }
        });
        assertThat(tables).allSatisfy(table -> assertThat(table).contains("of which in exchanges, with waiting"));
    }

    private static List<double[]> train(Settings settings, StatisticsExchange exchange) {
        try (Comparison comparison = comparison(settings, exchange)) {
            comparison.run(step -> {});
            return PermutedRuns.numbers(comparison.trainees());
        }
    }

    private static Comparison comparison(Settings settings, StatisticsExchange exchange) {
        return Comparison.distributed(
                DIGITS,
                Architecture.fused(NetworkKind.TEXTBOOK, Placement.AFTER),
                OptimizerKind.SGD,
                settings,
                (builder, timed) -> builder.threads(1).synchronizedBy(timed).build(),
                exchange);
    }

    private static Sequential network(int seed) {
        return Architecture.fused(NetworkKind.TEXTBOOK, Placement.AFTER)
                .build(DIGITS.train().width(), DIGITS.train().classes(), Optional.empty(), seed);
    }

    private static <T> List<T> onRanks(int ranks, Function<StatisticsExchange, T> work) {
        List<StatisticsExchange> group = InProcessExchange.group(ranks, Duration.ofMinutes(1));
        try (ExecutorService threads = Executors.newFixedThreadPool(ranks)) {
            List<Future<T>> futures = new ArrayList<>(IntStream.range(0, ranks)
                    .mapToObj(rank -> threads.submit(() -> work.apply(group.get(rank))))
                    .toList());
            List<T> results = new ArrayList<>();
            for (Future<T> future : futures) {
                results.add(future.get());
            }
            return results;
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }
}
