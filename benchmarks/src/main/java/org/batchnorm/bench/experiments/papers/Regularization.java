package org.batchnorm.bench.experiments.papers;

import java.util.List;
import java.util.function.IntFunction;
import org.batchnorm.bench.experiments.data.Dataset;
import org.batchnorm.bench.experiments.network.Dropout;
import org.batchnorm.bench.experiments.network.Layer;
import org.batchnorm.bench.experiments.network.LeakyReLU;
import org.batchnorm.bench.experiments.network.Sequential;
import org.batchnorm.bench.experiments.train.Classifier;
import org.jspecify.annotations.Nullable;
import org.knowm.xchart.style.Styler.LegendPosition;

/** Ioffe and Szegedy 2015, section 3.4: batch norm regularizes, and dropout can be left out. */
final class Regularization implements Experiment {
    static final String NEITHER = "neither";
    static final String BATCH_NORM = "batch norm";
    static final String DROPOUT = "dropout";
    static final String BOTH = "both";
    static final String TEST = "test accuracy in %";
    static final String TRAIN = "training accuracy in %";
    static final String EARLY = "test accuracy in % after a tenth of the steps";

    private static final List<String> VARIANTS = List.of(NEITHER, BATCH_NORM, DROPOUT, BOTH);
    private static final List<Integer> SIZES = List.of(100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000);
    private static final int BRIEF_SIZE = 1_000;
    private static final int BATCH_SIZE = 50;
    private static final double LEARNING_RATE = 0.1;
    private static final double PROBABILITY = 0.5;

    @Override
    public String name() {
        return "regularization";
    }

    @Override
    public String question() {
        return "Does batch norm generalize better, and is dropout needed beside it (Ioffe and Szegedy 2015, section 3.4)?";
    }

    @Override
    public List<String> variants(Setting setting) {
        return VARIANTS;
    }

    private static List<Integer> sizes(Setting setting) {
        if (setting.scale() == Scale.BRIEF) {
            return List.of(BRIEF_SIZE);
        }
        return SIZES.stream()
                .filter(size -> size <= setting.data().train().size())
                .toList();
    }

    private static int steps(Setting setting) {
        return setting.scale().of(2_000, 400, 300);
    }

    @Override
    public long work(Setting setting, String variant) {
        return (long) sizes(setting).size() * steps(setting);
    }

    @Override
    public void run(Trial trial) {
        sizes(trial.setting()).forEach(size -> train(trial, size));
    }

    private static void train(Trial trial, int size) {
        Setting setting = trial.setting();
        Dataset images = setting.data().train().first(size);
        Dataset test = setting.data().test();
        int last = steps(setting);
        try (Classifier classifier = new Classifier(network(trial))) {
            Training.plainSgd(trial, classifier, LEARNING_RATE, images, BATCH_SIZE)
                    .run(Steps.of(last / 10, last), step -> {
                        if (step == last / 10) {
                            trial.record(
                                    EARLY, size, 100 * classifier.score(test).accuracy());
                        }
                        if (step == last) {
                            trial.record(
                                    TEST, size, 100 * classifier.score(test).accuracy());
                            trial.record(
                                    TRAIN, size, 100 * classifier.score(images).accuracy());
                        }
                    });
        }
    }

    private static Sequential network(Trial trial) {
        Setting setting = trial.setting();
        boolean norm = trial.variant().equals(BATCH_NORM) || trial.variant().equals(BOTH);
        boolean dropout = trial.variant().equals(DROPOUT) || trial.variant().equals(BOTH);
        NetworkBuilder network = new NetworkBuilder(setting.inputs(), trial.weights());
        for (int layer = 0; layer < 3; layer++) {
            long seed = trial.orderSeed() + layer;
            @Nullable IntFunction<Layer> drop = dropout ? width -> new Dropout(width, PROBABILITY, seed) : null;
            network.he(Networks.WIDTH)
                    .addIfAny(norm ? setting::batchNorm : null)
                    .add(LeakyReLU::new)
                    .addIfAny(drop);
        }
        return network.glorot(setting.classes()).build();
    }

    @Override
    public void describe(Setting setting, Table table, Page page) {
        Series neither = table.series(TEST, NEITHER);
        Series norm = table.series(TEST, BATCH_NORM);
        Series dropout = table.series(TEST, DROPOUT);
        Series both = table.series(TEST, BOTH);
        double few = neither.xs().first();
        double most = neither.last();
        Series earlyNorm = table.series(EARLY, BATCH_NORM);
        Series earlyNeither = table.series(EARLY, NEITHER);
        page.finding(
                        "Trained on %.0f images: %.1f %% with batch norm, %.1f %% with dropout, %.1f %% with both, %.1f %%"
                                + " with neither",
                        most, norm.mean(most), dropout.mean(most), both.mean(most), neither.mean(most))
                .protocol(
                        "Three rectifier layers (LeakyReLU 0.01) of %d, weights of He et al. 2015, batch norm before the"
                                + " rectifier, dropout (%.1f) after it; plain SGD, learning rate %.1f, batches of %d, %d"
                                + " steps at every size of the training set, which are its first images.",
                        Networks.WIDTH, PROBABILITY, LEARNING_RATE, BATCH_SIZE, steps(setting))
                .claim(
                        "Batch norm trains faster.",
                        earlyNeither.isBelow(earlyNorm, most),
                        "on %.0f images after a tenth of the steps %s %% with, %s %% with neither.",
                        most,
                        Page.meanAndRange(earlyNorm, most),
                        Page.meanAndRange(earlyNeither, most))
                .claim(
                        "It generalizes better.",
                        neither.isBelow(norm, few) && neither.isBelow(norm, most),
                        "trained on %.0f images %s %% with, %s %% with neither; on %.0f images %s %% and %s %%.",
                        few,
                        Page.meanAndRange(norm, few),
                        Page.meanAndRange(neither, few),
                        most,
                        Page.meanAndRange(norm, most),
                        Page.meanAndRange(neither, most))
                .claim(
                        "Dropout is not needed beside it.",
                        norm.mean(few) >= both.mean(few) && norm.mean(most) >= both.mean(most),
                        "with both %s %% on %.0f images, %s %% on %.0f; with dropout alone %s %% and %s %%.",
                        Page.meanAndRange(both, few),
                        few,
                        Page.meanAndRange(both, most),
                        most,
                        Page.meanAndRange(dropout, few),
                        Page.meanAndRange(dropout, most));
        addCharts(table, page);
    }

    private static void addCharts(Table table, Page page) {
        Series neither = table.series(TEST, NEITHER);
        Series norm = table.series(TEST, BATCH_NORM);
        double few = neither.xs().first();
        double most = neither.last();
        double early = table.series(EARLY, BATCH_NORM).mean(most)
                - table.series(EARLY, NEITHER).mean(most);
        page.chart(chart(
                        table,
                        Page.format(
                                "Batch norm: %+.1f points with %.0f images, %+.1f with %.0f",
                                norm.mean(few) - neither.mean(few), few, norm.mean(most) - neither.mean(most), most),
                        TEST))
                .chart(chart(
                        table,
                        Page.format("After a tenth of the steps: %+.1f points with %.0f images", early, most),
                        EARLY))
                .chart(chart(
                                table,
                                Page.format(
                                        "Of %.0f training images batch norm fits %.1f %%, dropout %.1f %%",
                                        most,
                                        table.series(TRAIN, BATCH_NORM).mean(most),
                                        table.series(TRAIN, DROPOUT).mean(most)),
                                TRAIN)
                        .legend(LegendPosition.InsideSW));
    }

    private static LineChart chart(Table table, String title, String quantity) {
        LineChart chart =
                new LineChart(title, "training images", quantity).logarithmicX().legend(LegendPosition.InsideSE);
        VARIANTS.forEach(variant -> chart.line(variant, table.series(quantity, variant)));
        return chart;
    }
}
