package org.batchnorm.bench.experiments.papers;

import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;
import java.util.stream.Stream;
import org.batchnorm.bench.experiments.data.Dataset;
import org.batchnorm.bench.experiments.network.BatchNormLayer;
import org.batchnorm.bench.experiments.train.Classifier;
import org.knowm.xchart.style.Styler.LegendPosition;

/** Running averages against the population statistics of Ioffe and Szegedy 2015, algorithm 2. */
final class InferenceStatistics implements Experiment {
    static final String POPULATION = "population";
    static final String ACCURACY = "test accuracy in %";

    private static final List<Double> MOMENTA = List.of(0.001, 0.01, 0.03, 0.1, 0.3, 0.9);
    private static final int BATCH_SIZE = 60;
    private static final double LEARNING_RATE = 0.1;

    /** As many training images as the population statistics are taken over, and no more. */
    private static final int POPULATION_IMAGES = 10_000;

    @Override
    public String name() {
        return "inference-statistics";
    }

    @Override
    public String question() {
        return "What do running averages cost at inference against exact population statistics (Ioffe and Szegedy 2015,"
                + " algorithm 2), over their momentum and after few steps?";
    }

    @Override
    public List<String> variants(Setting setting) {
        List<String> variants = new ArrayList<>(List.of(POPULATION));
        momenta(setting).forEach(momentum -> variants.add(variant(momentum)));
        return variants;
    }

    private static List<Double> momenta(Setting setting) {
        return setting.scale() == Scale.BRIEF ? List.of(0.001, 0.1, 0.9) : MOMENTA;
    }

    static String variant(double momentum) {
        return "momentum " + momentum;
    }

    private static SortedSet<Integer> checkpoints(Setting setting) {
        return Steps.few(10, setting.scale().of(5_000, 500, 200));
    }

    @Override
    public long work(Setting setting, String variant) {
        return checkpoints(setting).last();
    }

    @Override
    public void run(Trial trial) {
        Setting setting = trial.setting();
        boolean population = trial.variant().equals(POPULATION);
        double momentum = population ? 0.1 : Double.parseDouble(trial.variant().replace("momentum ", ""));
        Dataset test = setting.data().test();
        Dataset train = setting.data().train().first(POPULATION_IMAGES);
        try (Classifier classifier = new Classifier(Networks.sigmoids(
                trial,
                features -> new BatchNormLayer(
                        setting.builder().apply(features).momentum(momentum).build())))) {
            Training.plainSgd(trial, classifier, LEARNING_RATE, BATCH_SIZE).run(checkpoints(setting), step -> {
                double accuracy = population
                        ? PopulationStatistics.accuracy(classifier, train, test, BATCH_SIZE)
                        : classifier.score(test).accuracy();
                trial.record(ACCURACY, step, 100 * accuracy);
            });
        }
    }

    @Override
    public void describe(Setting setting, Table table, Page page) {
        Series exact = table.series(ACCURACY, POPULATION);
        double end = exact.last();
        double few = 50;
        Series usual = table.series(ACCURACY, variant(0.1));
        Series slow = table.series(ACCURACY, variant(0.001));
        Series fast = table.series(ACCURACY, variant(0.9));
        page.finding(
                        "After %.0f steps %.1f %% with population statistics, %.1f %% with running averages of momentum 0.1,"
                                + " %.1f %% with momentum 0.001",
                        few, exact.mean(few), usual.mean(few), slow.mean(few))
                .protocol(
                        "Three sigmoid layers of %d with batch norm, weights N(0, 0.1²), plain SGD, learning rate %.1f,"
                                + " batches of %d. All variants train alike, bit for bit: only what they evaluate with"
                                + " differs. Population: mean and unbiased variance averaged over the batches of %d"
                                + " training images, the weights standing still.",
                        Networks.WIDTH,
                        LEARNING_RATE,
                        BATCH_SIZE,
                        Math.min(POPULATION_IMAGES, setting.data().train().size()))
                .claim(
                        "The textbook: inference with running averages is somewhat worse.",
                        usual.mean(few) < exact.mean(few) && usual.mean(end) < exact.mean(end),
                        "momentum 0.1 after %.0f steps %s %%, exact %s %%; after %.0f steps %s %%, exact %s %%.",
                        few,
                        Page.meanAndRange(usual, few),
                        Page.meanAndRange(exact, few),
                        end,
                        Page.meanAndRange(usual, end),
                        Page.meanAndRange(exact, end))
                .note(
                        "A momentum of 0.001 still remembers the initial mean 0 and variance 1 after %.0f steps: %s %%."
                                + " One of 0.9 sees little more than the last batch: %s %% after %.0f steps.",
                        few, Page.meanAndRange(slow, few), Page.meanAndRange(fast, end), end)
                .chart(overSteps(setting, table))
                .chart(overMomentum(setting, table, few, end));
    }

    private static LineChart overSteps(Setting setting, Table table) {
        LineChart chart = new LineChart("Small momenta come late", "steps of " + BATCH_SIZE + " images", ACCURACY)
                .logarithmicX()
                .legend(LegendPosition.OutsideE)
                .line(POPULATION, table.series(ACCURACY, POPULATION));
        momenta(setting).forEach(momentum -> chart.line(variant(momentum), table.series(ACCURACY, variant(momentum))));
        return chart;
    }

    private static LineChart overMomentum(Setting setting, Table table, double few, double end) {
        LineChart chart = new LineChart("After few steps the momentum decides", "momentum", ACCURACY).logarithmicX();
        int look = 0;
        for (double step : List.of(few, end)) {
            Series exact = table.series(ACCURACY, POPULATION);
            chart.line(Page.format("running, %.0f steps", step), acrossMomenta(setting, table, step), look);
            chart.line(
                    Page.format("population, %.0f steps", step),
                    new Series(momenta(setting).stream().flatMap(momentum -> rows(exact, step, momentum))),
                    look + 2);
            look++;
        }
        return chart;
    }

    private static Series acrossMomenta(Setting setting, Table table, double step) {
        return new Series(momenta(setting).stream()
                .flatMap(momentum -> rows(table.series(ACCURACY, variant(momentum)), step, momentum)));
    }

    private static Stream<Table.Row> rows(Series series, double step, double momentum) {
        return series.at(step).stream().map(value -> new Table.Row(ACCURACY, "", momentum, 0, value));
    }
}
