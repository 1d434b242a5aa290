package org.batchnorm.bench.experiments.papers;

import static org.batchnorm.bench.output.Column.words;

import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.SortedSet;
import org.batchnorm.bench.experiments.data.Dataset;
import org.batchnorm.bench.experiments.network.Sequential;
import org.batchnorm.bench.experiments.train.Batches;
import org.batchnorm.bench.experiments.train.Classifier;
import org.batchnorm.bench.experiments.train.ResidentTraining.ResidentModel;
import org.batchnorm.bench.output.Columns;
import org.knowm.xchart.style.Styler.LegendPosition;

/** Ioffe and Szegedy 2015, section 4.1: how fast and how steadily a network of sigmoids learns. */
final class Convergence implements Experiment {
    static final String WITH = "with batch norm";
    static final String WITHOUT = "without";
    static final String WITH_ON_DEVICE = "with batch norm wholly on the device";
    static final String WITHOUT_ON_DEVICE = "without wholly on the device";
    static final String ACCURACY = "test accuracy in %";
    static final String MOVED = "move of the median by the width";

    private static final int BATCH_SIZE = 60;
    private static final double LEARNING_RATE = 0.1;
    private static final int LOOKED_AT = 1000;
    private static final int FIRST_CHECKPOINT = 10;
    private static final List<Integer> PERCENTILES = List.of(85, 50, 15);

    /** The layer whose output is the input of the last hidden layer's sigmoids, counted from the end. */
    private static final int FROM_THE_END = 3;

    @Override
    public String name() {
        return "convergence";
    }

    @Override
    public String question() {
        return "Does batch norm make a network of sigmoids learn faster, and are the inputs of its sigmoids steadier"
                + " (Ioffe and Szegedy 2015, section 4.1, figure 1)?";
    }

    @Override
    public List<String> variants(Setting setting) {
        return setting.resident().isEmpty()
                ? List.of(WITH, WITHOUT)
                : List.of(WITH, WITHOUT, WITH_ON_DEVICE, WITHOUT_ON_DEVICE);
    }

    @Override
    public boolean trainsOnDevice() {
        return true;
    }

    @Override
    public long work(Setting setting, String variant) {
        return onDevice(variant)
                ? setting.scale().of(1_000, 500, 100)
                : setting.scale().of(50_000, 2_000, 200);
    }

    private static boolean onDevice(String variant) {
        return variant.equals(WITH_ON_DEVICE) || variant.equals(WITHOUT_ON_DEVICE);
    }

    @Override
    public void run(Trial trial) {
        if (onDevice(trial.variant())) {
            trainOnDevice(trial, trial.setting().resident().orElseThrow());
        } else {
            trainOnHost(trial);
        }
    }

    /** The network of a trial: the same initial weights for all variants of a seed. */
    static Sequential network(Trial trial) {
        boolean with = trial.variant().equals(WITH) || trial.variant().equals(WITH_ON_DEVICE);
        return Networks.sigmoids(trial, with ? trial.setting()::batchNorm : null);
    }

    /** The network of a trial on a device, about to be trained. */
    static ResidentModel residentModel(Trial trial, Sequential network, ResidentPlace place, int steps) {
        return place.open(trial, network, BATCH_SIZE, steps, LEARNING_RATE);
    }

    /** The training of a network in host memory. */
    static Training hostTraining(Trial trial, Classifier classifier) {
        return Training.plainSgd(trial, classifier, LEARNING_RATE, BATCH_SIZE);
    }

    /** The batches of a trial: the same for all variants of a seed. */
    static Batches batches(Trial trial) {
        return new Batches(trial.setting().data().train(), BATCH_SIZE, trial.orderSeed());
    }

    private void trainOnDevice(Trial trial, ResidentPlace place) {
        int last = (int) work(trial.setting(), trial.variant());
        SortedSet<Integer> checkpoints = Steps.byDecade(FIRST_CHECKPOINT, last);
        Batches batches = batches(trial);
        try (Sequential network = network(trial);
                ResidentModel model = residentModel(trial, network, place, last)) {
            for (int step = 1; step <= last; step++) {
                model.step(batches.next().images());
                if (checkpoints.contains(step)) {
                    trial.record(ACCURACY, step, 100 * model.evaluate().accuracy());
                }
                trial.worked(1);
            }
        }
    }

    private void trainOnHost(Trial trial) {
        Setting setting = trial.setting();
        Dataset test = setting.data().test();
        Dataset some = test.first(LOOKED_AT);
        int last = (int) work(setting, trial.variant());
        float[] medians = new float[Networks.WIDTH];
        try (Classifier classifier = new Classifier(network(trial))) {
            hostTraining(trial, classifier).run(Steps.byDecade(FIRST_CHECKPOINT, last), step -> {
                trial.record(ACCURACY, step, 100 * classifier.score(test).accuracy());
                recordSigmoidInputs(trial, step, classifier, some, medians);
            });
        }
    }

    /**
     * Records the percentiles of what the first sigmoid of the last hidden layer gets, in inference mode, and how far
     * the medians of all of the layer have moved since the last checkpoint, by the widths of the distributions.
     */
    private static void recordSigmoidInputs(
            Trial trial, int step, Classifier classifier, Dataset images, float[] medians) {
        int n = images.size();
        float[] inputs =
                classifier.outputs(images, classifier.network().layers().size() - FROM_THE_END);
        double moved = 0;
        for (int sigmoid = 0; sigmoid < Networks.WIDTH; sigmoid++) {
            float[] ascending = new float[n];
            for (int i = 0; i < n; i++) {
                ascending[i] = inputs[i * Networks.WIDTH + sigmoid];
            }
            Arrays.sort(ascending);
            if (sigmoid == 0) {
                PERCENTILES.forEach(p -> trial.record(percentileName(p), step, percentile(ascending, p)));
            }
            float median = percentile(ascending, 50);
            moved += Math.abs(median - medians[sigmoid]) / (percentile(ascending, 85) - percentile(ascending, 15));
            medians[sigmoid] = median;
        }
        if (step > FIRST_CHECKPOINT) {
            trial.record(MOVED, step, moved / Networks.WIDTH);
        }
    }

    private static float percentile(float[] ascending, int percentile) {
        return ascending[(ascending.length - 1) * percentile / 100];
    }

    private static String percentileName(int percentile) {
        return "percentile " + percentile + " of a sigmoid's input";
    }

    @Override
    public void describe(Setting setting, Table table, Page page) {
        Series with = table.series(ACCURACY, WITH);
        Series without = table.series(ACCURACY, WITHOUT);
        Series pathWith = path(table, WITH);
        Series pathWithout = path(table, WITHOUT);
        double end = with.last();
        double early = Math.min(1000, end);
        page.finding(
                        "After %.0f steps %.1f %% test accuracy with batch norm, %.1f %% without",
                        early, with.mean(early), without.mean(early))
                .protocol(
                        "Three sigmoid layers of %d, %d classes, softmax cross-entropy; weights N(0, 0.1²), biases 0;"
                                + " plain SGD, learning rate %.1f, batches of %d in a new order each epoch, inputs in"
                                + " [0, 1]; %.0f steps. Batch norm between linear layer and sigmoid, momentum 0.1, running"
                                + " averages at evaluation. Percentiles over the first %d test images, in the last"
                                + " hidden layer.",
                        Networks.WIDTH, setting.classes(), LEARNING_RATE, BATCH_SIZE, end, LOOKED_AT)
                .claim(
                        "The network with batch norm trains faster.",
                        without.isBelow(with, early),
                        "after %.0f steps %s %% with, %s %% without.",
                        early,
                        Page.meanAndRange(with, early),
                        Page.meanAndRange(without, early))
                .claim(
                        "It reaches a higher accuracy.",
                        without.isBelow(with, end),
                        "after %.0f steps %s %% with, %s %% without.",
                        end,
                        Page.meanAndRange(with, end),
                        Page.meanAndRange(without, end))
                .claim(
                        "The distribution of a sigmoid's inputs is more stable.",
                        pathWith.isBelow(pathWithout, 0),
                        "from checkpoint to checkpoint the median moves, in all, by %s times the distribution's width (15th"
                                + " to 85th percentile, mean of the layer's sigmoids) with, by %s without.",
                        Page.meanAndRange(pathWith, 0),
                        Page.meanAndRange(pathWithout, 0))
                .chart(accuracyChart(with, without))
                .chart(percentileChart(table, WITH))
                .chart(percentileChart(table, WITHOUT))
                .chart(new LineChart(
                                "How far the median moves between checkpoints, all sigmoids",
                                "steps of " + BATCH_SIZE + " images",
                                MOVED)
                        .logarithmicX()
                        .logarithmicY()
                        .legend(LegendPosition.InsideNE)
                        .line(WITH, table.series(MOVED, WITH))
                        .line(WITHOUT, table.series(MOVED, WITHOUT)));
        describeDevice(table, page);
        compareWithPyTorch(setting, table, page);
    }

    private static void describeDevice(Table table, Page page) {
        Series with = table.series(ACCURACY, WITH_ON_DEVICE);
        Series without = table.series(ACCURACY, WITHOUT_ON_DEVICE);
        if (with.isEmpty() || without.isEmpty()) {
            return;
        }
        double end = with.last();
        page.note(
                "Wholly on a TornadoVM device, from the same weights and on the same batches: after %.0f steps %s %% with,"
                        + " %s %% without. Its means are at most %.2f points from the host's at any checkpoint with, %.2f"
                        + " without.",
                end,
                Page.meanAndRange(with, end),
                Page.meanAndRange(without, end),
                with.farthestMean(table.series(ACCURACY, WITH)),
                without.farthestMean(table.series(ACCURACY, WITHOUT)));
    }

    /** How far the medians move from checkpoint to checkpoint, all in all: a value a seed, at 0. */
    static Series path(Table table, String variant) {
        Series moved = table.series(MOVED, variant);
        return moved.meanFrom(0).times(moved.xs().size());
    }

    private static LineChart accuracyChart(Series with, Series without) {
        double end = with.last();
        String title = Page.format(
                "After %.0f steps %.2f %% with batch norm, %.2f %% without", end, with.mean(end), without.mean(end));
        return new LineChart(title, "steps of " + BATCH_SIZE + " images", ACCURACY)
                .logarithmicX()
                .line(WITH, with)
                .line(WITHOUT, without);
    }

    /** As the paper draws it: one sigmoid of one network. */
    private static LineChart percentileChart(Table table, String variant) {
        LineChart chart = new LineChart(
                        "What one sigmoid gets, " + variant + " (seed 0)",
                        "steps of " + BATCH_SIZE + " images",
                        "input of the sigmoid")
                .logarithmicX()
                .legend(LegendPosition.OutsideS);
        PERCENTILES.forEach(percentile -> chart.line(
                "percentile " + percentile,
                table.series(percentileName(percentile), variant).seed(0)));
        return chart;
    }

    private static void compareWithPyTorch(Setting setting, Table table, Page page) {
        if (!setting.data().name().equals("mnist")) {
            page.note("These are not MNIST's images; on MNIST the page compares with PyTorch's numbers.");
            return;
        }
        page.note(
                "At 500 steps the network without batch norm is leaving its plateau, and four seeds do not tell its mean:"
                        + " 16 seeds of PyTorch give 18.30 % (9.6–31.2), 16 seeds here 18.35 % (9.7–34.8).");
        addComparison("steps", table.series(ACCURACY, WITH), table.series(ACCURACY, WITHOUT), page);
        Series with = table.series(ACCURACY, WITH_ON_DEVICE);
        Series without = table.series(ACCURACY, WITHOUT_ON_DEVICE);
        if (!with.isEmpty() && !without.isEmpty()) {
            addComparison("steps wholly on the device", with, without, page);
        }
    }

    private static void addComparison(String steps, Series with, Series without, Page page) {
        page.table(
                Columns.<Integer>of(
                        words(steps, step -> Integer.toString(step)),
                        words("with", step -> Page.meanAndRange(with, step)),
                        words("PyTorch, with", step -> reference(step).with().toString()),
                        words("without", step -> Page.meanAndRange(without, step)),
                        words(
                                "PyTorch, without",
                                step -> reference(step).without().toString()),
                        words(
                                "means in PyTorch's ranges ± 0.4",
                                step -> reference(step).with().holds(with.mean(step))
                                                && reference(step).without().holds(without.mean(step))
                                        ? "yes"
                                        : "no")),
                PyTorchReference.BY_STEP.keySet().stream()
                        .filter(step -> with.xs().contains((double) step))
                        .toList());
    }

    private static PyTorchReference reference(int step) {
        return Objects.requireNonNull(PyTorchReference.BY_STEP.get(step));
    }
}
