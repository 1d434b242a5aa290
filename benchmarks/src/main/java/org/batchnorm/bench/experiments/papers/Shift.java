package org.batchnorm.bench.experiments.papers;

import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;
import org.batchnorm.bench.experiments.network.Layer;
import org.batchnorm.bench.experiments.network.Linear;
import org.batchnorm.bench.experiments.network.Parameter;
import org.batchnorm.bench.experiments.train.Classifier;
import org.batchnorm.bench.experiments.train.Trainee;
import org.knowm.xchart.style.Styler.LegendPosition;

/** Santurkar et al. 2018, section 2.2: how a layer's gradient changes when the layers below it step first. */
final class Shift implements Experiment {
    static final String COSINE = "cosine";
    static final String CHANGE = "change";
    static final String ACCURACY = "test accuracy in %";

    private static final int EARLY_STEPS = 10;

    @Override
    public String name() {
        return "shift";
    }

    @Override
    public String question() {
        return "Does batch norm reduce internal covariate shift: does a layer's gradient change less when the layers below"
                + " it have stepped (Santurkar et al. 2018, definition 2.1)?";
    }

    @Override
    public List<String> variants(Setting setting) {
        return Santurkar.variants();
    }

    @Override
    public long work(Setting setting, String variant) {
        return Santurkar.checkpoints(setting).last();
    }

    @Override
    public void run(Trial trial) {
        Setting setting = trial.setting();
        SortedSet<Integer> checkpoints = Santurkar.checkpoints(setting);
        try (Classifier classifier = new Classifier(Santurkar.network(trial))) {
            Training training = Santurkar.training(trial, classifier);
            for (int step = 1; step <= checkpoints.last(); step++) {
                Santurkar.nextStep(classifier);
                Trainee.Batch batch = training.batches().next();
                List<Parameter> parameters = classifier.network().parameters();
                List<float[]> before = Santurkar.values(parameters);
                classifier.gradients(batch.x(), batch.labels());
                List<float[]> gradients = Santurkar.gradients(parameters);
                training.optimizer().step();
                if (checkpoints.contains(step)) {
                    List<float[]> after = Santurkar.values(parameters);
                    recordShift(trial, step, classifier, batch, new Step(before, gradients, after));
                    Santurkar.set(parameters, after);
                    trial.record(
                            ACCURACY,
                            step,
                            100 * classifier.score(setting.data().test()).accuracy());
                }
                trial.worked(1);
            }
        }
    }

    /** A step of all parameters: their values before, their gradients there, their values after. */
    private record Step(List<float[]> before, List<float[]> gradients, List<float[]> after) {}

    /**
     * The means over the hidden layers but the first: the gradient of a layer's weights where all layers below have
     * stepped.
     */
    private static void recordShift(Trial trial, int step, Classifier classifier, Trainee.Batch batch, Step taken) {
        List<Parameter> parameters = classifier.network().parameters();
        List<Integer> weights = hiddenWeights(classifier.network().layers());
        double cosine = 0;
        double change = 0;
        for (int weight : weights) {
            Santurkar.set(parameters, taken.before);
            Santurkar.set(parameters.subList(0, weight), taken.after.subList(0, weight));
            classifier.gradients(batch.x(), batch.labels());
            List<float[]> there = List.of(parameters.get(weight).gradient());
            List<float[]> here = List.of(taken.gradients.get(weight));
            cosine += Santurkar.cosine(here, there);
            change += Santurkar.distance(here, there) / Santurkar.norm(here);
        }
        trial.record(COSINE, step, cosine / weights.size());
        trial.record(CHANGE, step, change / weights.size());
    }

    /** The indices among all parameters of the weights of the hidden linear layers, the first layer apart. */
    private static List<Integer> hiddenWeights(List<Layer> layers) {
        List<Integer> weights = new ArrayList<>();
        int parameter = 0;
        for (Layer layer : layers) {
            if (layer instanceof Linear) {
                weights.add(parameter);
            }
            parameter += layer.parameters().size();
        }
        return weights.subList(1, weights.size() - 1);
    }

    @Override
    public void describe(Setting setting, Table table, Page page) {
        Series with = late(table, Santurkar.WITH, Santurkar.HIGH_RATE);
        Series without = late(table, Santurkar.WITHOUT, Santurkar.HIGH_RATE);
        Series noisy = late(table, Santurkar.NOISY, Santurkar.HIGH_RATE);
        Series slowWith = late(table, Santurkar.WITH, Santurkar.LOW_RATE);
        Series slowWithout = late(table, Santurkar.WITHOUT, Santurkar.LOW_RATE);
        Series accuracy = accuracy(table, Santurkar.WITH);
        Series noisyAccuracy = accuracy(table, Santurkar.NOISY);
        double end = accuracy.last();
        page.finding(
                        "When the layers below step, a layer's gradient changes by %.2f of its length with batch norm, by"
                                + " %.2f without",
                        with.mean(0), without.mean(0))
                .protocol(
                        "%s %.0f steps. At a checkpoint, for each hidden layer but the first: the gradient of its weights"
                                + " with all layers as they are, and with the layers below already stepped, on the same"
                                + " batch and noise; their cosine and the length of their difference by that of the first,"
                                + " mean of the layers.",
                        Santurkar.NETWORK, end)
                .claim(
                        "Batch norm does not reduce this shift; it may even increase it.",
                        !with.isBelow(without, 0) && !slowWith.isBelow(slowWithout, 0),
                        "at rate 0.1 the gradient changes by %s of its length with, by %s without; at rate 0.02 by %s and"
                                + " %s (mean of the checkpoints in the last nine tenths of the steps).",
                        Page.meanAndRange(with, 0),
                        Page.meanAndRange(without, 0),
                        Page.meanAndRange(slowWith, 0),
                        Page.meanAndRange(slowWithout, 0))
                .note(
                        "The first steps are another matter: before step %d at rate 0.02 the gradient changes by %s with,"
                                + " by %s without.",
                        EARLY_STEPS,
                        Page.meanAndRange(early(table, Santurkar.WITH), 0),
                        Page.meanAndRange(early(table, Santurkar.WITHOUT), 0))
                .claim(
                        "Noise after batch norm brings more shift, and the network still trains as well.",
                        with.isBelow(noisy, 0) && accuracy.mean(end) - noisyAccuracy.mean(end) < 1,
                        "the gradient changes by %s of its length; accuracy after %.0f steps %s %%, without noise %s %%,"
                                + " without batch norm %s %%, all at rate 0.1.",
                        Page.meanAndRange(noisy, 0),
                        end,
                        Page.meanAndRange(noisyAccuracy, end),
                        Page.meanAndRange(accuracy, end),
                        Page.meanAndRange(accuracy(table, Santurkar.WITHOUT), end));
        addCharts(table, page, Santurkar.HIGH_RATE);
        addCharts(table, page, Santurkar.LOW_RATE);
    }

    private static void addCharts(Table table, Page page, double rate) {
        String title = Page.format(
                "Rate %s: moves by %.2f with batch norm, by %.2f without",
                rate,
                late(table, Santurkar.WITH, rate).mean(0),
                late(table, Santurkar.WITHOUT, rate).mean(0));
        page.chart(Santurkar.chart(table, title, CHANGE, "change of the gradient by its length", rate)
                        .legend(LegendPosition.OutsideS))
                .chart(Santurkar.chart(
                                table,
                                "Rate " + rate + ": the same as an angle",
                                COSINE,
                                "cosine of the gradients",
                                rate)
                        .legend(LegendPosition.OutsideS));
    }

    /** The change in the last nine tenths of the steps. */
    static Series late(Table table, String kind, double rate) {
        Series change = table.series(CHANGE, Santurkar.variant(kind, rate));
        return change.meanFrom(change.last() / 10);
    }

    /** The change in the first steps, at the low rate. */
    static Series early(Table table, String kind) {
        return table.series(CHANGE, Santurkar.variant(kind, Santurkar.LOW_RATE)).meanBefore(EARLY_STEPS);
    }

    private static Series accuracy(Table table, String kind) {
        return table.series(ACCURACY, Santurkar.variant(kind, Santurkar.HIGH_RATE));
    }
}
