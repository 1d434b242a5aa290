package org.batchnorm.bench.experiments.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.batchnorm.bench.experiments.data.Digits;
import org.batchnorm.bench.experiments.data.TrainTest;

/**
 * What rounding alone does to a training: the same batches, the rows of each permuted. Some of one process's numbers
 * differ then, and by how much is the measure for several ranks.
 */
public final class PermutedRuns {
    private static final TrainTest DIGITS = Digits.load();
    private static final int PERMUTATIONS = 8;
    private static final int TIMES_THE_SPREAD = 3;

    private final Settings settings;
    private final List<double[]> reference;
    private final List<Double> spreads = new ArrayList<>();

    /** Trains the textbook network on the digits. */
    public PermutedRuns(Settings settings) {
        this.settings = settings;
        this.reference = run(null);
        for (int permutation = 0; permutation < PERMUTATIONS; permutation++) {
            List<double[]> run = run(new Random(permutation));
            for (int i = 0; i < reference.size(); i++) {
                double difference = difference(reference.get(i), run.get(i));
                if (permutation == 0) {
                    spreads.add(difference);
                } else {
                    spreads.set(i, Math.max(spreads.get(i), difference));
                }
            }
        }
    }

    private List<double[]> run(Random random) {
        try (Comparison comparison = Comparison.withAndWithout(
                DIGITS,
                Architecture.fused(NetworkKind.TEXTBOOK, Placement.AFTER),
                OptimizerKind.SGD,
                settings,
                builder -> builder.threads(1).build())) {
            for (int step = 1; step <= settings.steps(); step++) {
                Trainee.Batch batch = comparison.batches().next();
                if (random != null) {
                    shuffle(batch, random);
                }
                boolean evaluated = step % settings.evaluateEvery() == 0 || step == settings.steps();
                for (Trainee trainee : comparison.trainees()) {
                    trainee.step(batch);
                    if (evaluated) {
                        trainee.evaluate(DIGITS.test());
                    }
                }
            }
            return numbers(comparison.trainees());
        }
    }

    private static void shuffle(Trainee.Batch batch, Random random) {
        int n = batch.labels().length;
        int width = batch.x().length / n;
        for (int row = n - 1; row > 0; row--) {
            int other = random.nextInt(row + 1);
            int label = batch.labels()[row];
            batch.labels()[row] = batch.labels()[other];
            batch.labels()[other] = label;
            for (int j = 0; j < width; j++) {
                float x = batch.x()[row * width + j];
                batch.x()[row * width + j] = batch.x()[other * width + j];
                batch.x()[other * width + j] = x;
            }
        }
    }

    /** Of each network the training losses, the test losses. */
    static List<double[]> numbers(List<Trainee> trainees) {
        List<double[]> numbers = new ArrayList<>();
        for (Trainee trainee : trainees) {
            Curve curve = trainee.curve();
            double[] training = new double[curve.steps()];
            for (int step = 1; step <= training.length; step++) {
                training[step - 1] = curve.trainingLoss(step);
            }
            numbers.add(training);
            numbers.add(curve.evaluations().stream()
                    .mapToDouble(Curve.Evaluation::testLoss)
                    .toArray());
        }
        return numbers;
    }

    /**
     * What is further from the run of one process than three times the spread, none if all is well.
     *
     * @param run the numbers of another run, as {@link #numbers} has them
     */
    public List<String> outliers(List<double[]> run) {
        List<String> outliers = new ArrayList<>();
        for (int i = 0; i < reference.size(); i++) {
            double difference = difference(reference.get(i), run.get(i));
            if (!(difference <= TIMES_THE_SPREAD * spreads.get(i))) {
                outliers.add("losses " + i + ": " + difference + " away, the spread is " + spreads.get(i));
            }
        }
        return outliers;
    }

    private static double difference(double[] one, double[] other) {
        if (one.length != other.length) {
            return Double.POSITIVE_INFINITY;
        }
        double largest = 0;
        for (int i = 0; i < one.length; i++) {
            largest = Math.max(largest, Math.abs(one[i] - other[i]));
        }
        return largest;
    }
}
