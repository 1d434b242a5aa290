package org.batchnorm.spark;

import java.io.Serializable;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.api.java.JavaSparkContext;
import org.batchnorm.bench.experiments.data.Digits;
import org.batchnorm.bench.experiments.train.Architecture;
import org.batchnorm.bench.experiments.train.Comparison;
import org.batchnorm.bench.experiments.train.ComparisonTable;
import org.batchnorm.bench.experiments.train.NetworkKind;
import org.batchnorm.bench.experiments.train.OptimizerKind;
import org.batchnorm.bench.experiments.train.Placement;
import org.batchnorm.bench.experiments.train.Settings;
import org.batchnorm.bench.experiments.train.Trainee;
import org.batchnorm.spi.StatisticsExchange;

/**
 * A driver whose executors train the networks of {@code batchnorm train} together. Prints its table, with the time that
 * exchanges take, and compares the losses with those of one process.
 */
final class TrainMain {
    private static final Architecture NETWORK = Architecture.fused(NetworkKind.TEXTBOOK, Placement.AFTER);

    private static final int STEPS = 40;

    /** A thousand times what rounding does to the losses in so many steps: 1e-6. */
    private static final double TOLERANCE = 1e-3;

    private TrainMain() {}

    /** What a rank has seen. */
    private record Trained(List<Double> losses, String table) implements Serializable {}

    public static void main(String[] args) {
        List<Trained> ranks;
        try (JavaSparkContext spark = LocalCluster.context()) {
            List<Integer> numbers = List.of(0, 1, 2);
            ranks = SparkExchange.run(
                    spark.parallelize(numbers, numbers.size()),
                    Duration.ofMinutes(2),
                    (exchange, none) -> train(exchange));
        }
        List<Double> expected = trainAlone();
        for (Trained rank : ranks) {
            for (int i = 0; i < expected.size(); i++) {
                if (!(Math.abs(rank.losses().get(i) - expected.get(i)) <= TOLERANCE)) {
                    throw new AssertionError(
                            "loss " + i + " is " + rank.losses().get(i) + ", not " + expected.get(i));
                }
            }
        }
        System.out.println(ranks.getFirst().table() + ranks.size() + " ranks: equal");
    }

    private static Trained train(StatisticsExchange exchange) {
        try (Comparison comparison = Comparison.distributed(
                Digits.load(),
                NETWORK,
                OptimizerKind.SGD,
                settings(),
                (builder, timed) -> builder.threads(1).synchronizedBy(timed).build(),
                exchange)) {
            comparison.run(step -> {});
            return new Trained(losses(comparison), new ComparisonTable(comparison.trainees(), 10, 0.9).render());
        }
    }

    private static List<Double> trainAlone() {
        try (Comparison comparison = Comparison.withAndWithout(
                Digits.load(),
                NETWORK,
                OptimizerKind.SGD,
                settings(),
                builder -> builder.threads(1).build())) {
            comparison.run(step -> {});
            return losses(comparison);
        }
    }

    private static Settings settings() {
        return new Settings(60, STEPS, 10, 0.05, 1);
    }

    /** Of both networks: of every step, and on the test images. */
    private static List<Double> losses(Comparison comparison) {
        List<Double> losses = new ArrayList<>();
        for (Trainee trainee : comparison.trainees()) {
            for (int step = 1; step <= STEPS; step++) {
                losses.add(trainee.curve().trainingLoss(step));
            }
            trainee.curve().evaluations().forEach(evaluation -> losses.add(evaluation.testLoss()));
        }
        return losses;
    }
}
