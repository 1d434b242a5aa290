package org.batchnorm.bench.experiments.papers;

import java.util.List;
import java.util.SplittableRandom;
import org.batchnorm.bench.experiments.data.Dataset;
import org.batchnorm.bench.experiments.network.Fixed;
import org.batchnorm.bench.experiments.network.LeakyReLU;
import org.batchnorm.bench.experiments.network.Linear;
import org.batchnorm.bench.experiments.network.Sequential;
import org.batchnorm.bench.experiments.train.Classifier;

/** Batch norm before the activation (Ioffe and Szegedy 2015) or after it, as textbooks have it, too. */
final class BeforeOrAfter implements Experiment {
    static final String BEFORE = "before the activation";
    static final String AFTER = "after the activation";
    static final String WITHOUT = "without";
    static final String ACCURACY = "test accuracy in %";

    private static final List<String> VARIANTS = List.of(BEFORE, AFTER, WITHOUT);
    private static final int INPUTS = 300;
    private static final List<Integer> WIDTHS = List.of(200, 100, 50);
    private static final int BATCH_SIZE = 60;
    private static final double LEARNING_RATE = 0.1;

    @Override
    public String name() {
        return "placement";
    }

    @Override
    public String question() {
        return "Does batch norm belong before the activation or after it?";
    }

    @Override
    public List<String> variants(Setting setting) {
        return VARIANTS;
    }

    @Override
    public long work(Setting setting, String variant) {
        return setting.scale().of(5_000, 500, 150);
    }

    @Override
    public void run(Trial trial) {
        int last = (int) work(trial.setting(), trial.variant());
        Dataset test = trial.setting().data().test();
        try (Classifier classifier = new Classifier(network(trial))) {
            Training.plainSgd(trial, classifier, LEARNING_RATE, BATCH_SIZE)
                    .run(
                            Steps.byDecade(10, last),
                            step -> trial.record(
                                    ACCURACY, step, 100 * classifier.score(test).accuracy()));
        }
    }

    private static Sequential network(Trial trial) {
        Setting setting = trial.setting();
        NetworkBuilder network = new NetworkBuilder(setting.inputs(), trial.weights());
        if (projects(setting)) {
            network.to(
                    INPUTS,
                    width -> new Fixed(new Linear(width, INPUTS, 1 / Math.sqrt(width), new SplittableRandom(0))));
        }
        for (int width : WIDTHS) {
            network.he(width)
                    .addIfAny(trial.variant().equals(BEFORE) ? setting::batchNorm : null)
                    .add(LeakyReLU::new)
                    .addIfAny(trial.variant().equals(AFTER) ? setting::batchNorm : null);
        }
        return network.glorot(setting.classes()).build();
    }

    private static boolean projects(Setting setting) {
        return setting.inputs() > INPUTS;
    }

    @Override
    public void describe(Setting setting, Table table, Page page) {
        Series before = table.series(ACCURACY, BEFORE);
        Series after = table.series(ACCURACY, AFTER);
        Series without = table.series(ACCURACY, WITHOUT);
        double end = before.last();
        double early = 50;
        boolean beforeWins = after.isBelow(before, end);
        boolean afterWins = before.isBelow(after, end);
        page.finding(
                        "After %.0f steps %.2f %% with batch norm before the activation, %.2f %% after it, %.2f %% without",
                        end, before.mean(end), after.mean(end), without.mean(end))
                .protocol(
                        "%sLayers of 200, 100 and 50 with LeakyReLU 0.01, weights of He et al. 2015, plain SGD, learning"
                                + " rate %.1f, batches of %d, %.0f steps.",
                        projects(setting)
                                ? "The images are projected to " + INPUTS
                                        + " inputs by one fixed Gaussian matrix, entries N(0, 1/pixels), in place of"
                                        + " principal components. "
                                : "",
                        LEARNING_RATE,
                        BATCH_SIZE,
                        end)
                .claim(
                        "The paper: before the activation, whose input is more nearly Gaussian.",
                        beforeWins,
                        "after %.0f steps %s %% before, %s %% after%s.",
                        end,
                        Page.meanAndRange(before, end),
                        Page.meanAndRange(after, end),
                        beforeWins || afterWins ? ", the same way in every seed" : ", not the same way in every seed")
                .claim(
                        "Either place learns faster than without batch norm.",
                        without.isBelow(before, early) && without.isBelow(after, early),
                        "after %.0f steps %s %% before, %s %% after, %s %% without; in the end %s %% without.",
                        early,
                        Page.meanAndRange(before, early),
                        Page.meanAndRange(after, early),
                        Page.meanAndRange(without, early),
                        Page.meanAndRange(without, end))
                .chart(chart(table, "Both places learn sooner than without").logarithmicX())
                .chart(chart(
                                table,
                                Page.format(
                                        "In the end %.2f %% before, %.2f %% after, %.2f %% without",
                                        before.mean(end), after.mean(end), without.mean(end)))
                        .yFrom(Math.floor(without.min(end)) - 4, Math.ceil(after.max(end))));
    }

    private static LineChart chart(Table table, String title) {
        LineChart chart = new LineChart(title, "steps of " + BATCH_SIZE + " images", ACCURACY);
        VARIANTS.forEach(variant -> chart.line(variant, table.series(ACCURACY, variant)));
        return chart;
    }
}
