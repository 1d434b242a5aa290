package org.batchnorm.bench.experiments.papers;

import java.util.ArrayList;
import java.util.List;
import org.batchnorm.bench.experiments.data.Dataset;
import org.batchnorm.bench.experiments.network.Sequential;
import org.batchnorm.bench.experiments.train.Classifier;

/** How large a batch must be for its statistics to serve, in training and at inference. */
final class BatchSize implements Experiment {
    static final String WITH = "with batch norm";
    static final String WITHOUT = "without";
    static final String ACCURACY = "test accuracy in %";
    static final String POPULATION = "test accuracy in % with population statistics";
    static final String TIME = "milliseconds a step";

    private static final double LEARNING_RATE = 0.1;
    private static final int POPULATION_IMAGES = 10_000;
    private static final List<Integer> SIZES = List.of(2, 4, 8, 16, 32, 64, 128, 256, 512, 1024);
    private static final List<Integer> BRIEF_SIZES = List.of(2, 8, 64);

    @Override
    public String name() {
        return "batch-size";
    }

    @Override
    public String question() {
        return "From which batch size on do the statistics of a batch serve, and what do running averages lose against"
                + " population statistics at each?";
    }

    @Override
    public List<String> variants(Setting setting) {
        return List.of(WITH, WITHOUT);
    }

    private static List<Integer> sizes(Setting setting) {
        return setting.scale() == Scale.BRIEF ? BRIEF_SIZES : SIZES;
    }

    private static int steps(Setting setting) {
        return setting.scale().of(1_000, 100, 150);
    }

    /** In images, and as many again for what a step costs whatever its batch. */
    @Override
    public long work(Setting setting, String variant) {
        return sizes(setting).stream().mapToLong(size -> work(setting, size)).sum();
    }

    private static long work(Setting setting, int size) {
        return (long) steps(setting) * (size + 20);
    }

    @Override
    public void run(Trial trial) {
        for (int size : sizes(trial.setting())) {
            train(trial, size);
            trial.worked(work(trial.setting(), size));
        }
    }

    private static void train(Trial trial, int size) {
        Setting setting = trial.setting();
        boolean with = trial.variant().equals(WITH);
        Dataset test = setting.data().test();
        Sequential network = Networks.rectifiers(trial, 3, with ? setting::batchNorm : null);
        try (Classifier classifier = new Classifier(network)) {
            Training training = Training.plainSgd(trial, classifier, LEARNING_RATE, size);
            List<Long> nanos = new ArrayList<>();
            for (int step = 0; step < steps(setting); step++) {
                long start = System.nanoTime();
                training.step();
                nanos.add(System.nanoTime() - start);
            }
            trial.record(ACCURACY, size, 100 * classifier.score(test).accuracy());
            if (with) {
                Dataset train = setting.data().train().first(POPULATION_IMAGES);
                trial.record(POPULATION, size, 100 * PopulationStatistics.accuracy(classifier, train, test, size));
            }
            nanos.sort(null);
            trial.recordTime(TIME, size, nanos.get(nanos.size() / 2) / 1e6);
        }
    }

    @Override
    public void describe(Setting setting, Table table, Page page) {
        Series running = table.series(ACCURACY, WITH);
        Series population = table.series(POPULATION, WITH);
        Series without = table.series(ACCURACY, WITHOUT);
        double largest = running.last();
        List<Double> noisy = running.xs().stream()
                .filter(size -> population.isBelow(without, size))
                .toList();
        double smallest = running.xs().first();
        page.finding(
                        "In batches of %.0f batch norm reaches %.1f %%, without %.1f %%; in batches of %.0f %.1f %% and %.1f %%",
                        smallest,
                        running.mean(smallest),
                        without.mean(smallest),
                        largest,
                        running.mean(largest),
                        without.mean(largest))
                .protocol(
                        "Three rectifier layers (LeakyReLU 0.01) of %d, weights of He et al. 2015, batch norm before the"
                                + " rectifier; plain SGD, learning rate %.1f, %d steps at every batch size, so that larger"
                                + " batches see more images. Running averages of momentum 0.1; population statistics over"
                                + " %d training images in batches of the same size. Times are medians of steps, on"
                                + " whatever else the machine did: times.csv.",
                        Networks.WIDTH,
                        LEARNING_RATE,
                        steps(setting),
                        Math.min(POPULATION_IMAGES, setting.data().train().size()))
                .claim(
                        "The statistics of very small batches are too noisy.",
                        !noisy.isEmpty(),
                        "batch norm, even with population statistics, stays below the network without it, every seed, in"
                                + " batches of %s.",
                        noisy.isEmpty() ? "no size" : sizes(noisy))
                .claim(
                        "Inference with running averages is somewhat worse than with population statistics.",
                        running.mean(smallest) < population.mean(smallest),
                        "in batches of %.0f %s %% against %s %%, in batches of %.0f %s %% against %s %%.",
                        smallest,
                        Page.meanAndRange(running, smallest),
                        Page.meanAndRange(population, smallest),
                        largest,
                        Page.meanAndRange(running, largest),
                        Page.meanAndRange(population, largest))
                .chart(new LineChart("Batch norm needs more than a few images a batch", "images a batch", ACCURACY)
                        .logarithmicX()
                        .line("batch norm, running averages", running)
                        .line("without", without)
                        .line("batch norm, population statistics", population));
    }

    private static String sizes(List<Double> sizes) {
        return String.join(
                ", ", sizes.stream().map(size -> Page.format("%.0f", size)).toList());
    }
}
