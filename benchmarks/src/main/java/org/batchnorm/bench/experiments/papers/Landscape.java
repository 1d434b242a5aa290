package org.batchnorm.bench.experiments.papers;

import java.util.List;
import java.util.SortedSet;
import org.batchnorm.bench.experiments.network.Parameter;
import org.batchnorm.bench.experiments.train.Classifier;
import org.batchnorm.bench.experiments.train.Trainee;
import org.knowm.xchart.style.Styler.LegendPosition;

/** Santurkar et al. 2018, section 3.1: how smooth the loss is along its gradient. */
final class Landscape implements Experiment {
    static final String VARIATION = "range of the loss";
    static final String PREDICTIVENESS = "change of the gradient";
    static final String SMOOTHNESS = "β-smoothness";

    private static final int EARLY_STEPS = 5;

    /** From half the learning rate to four times as much, as in the paper. */
    private static final List<Double> FACTORS = List.of(0.5, 1.0, 1.5, 2.0, 3.0, 4.0);

    @Override
    public String name() {
        return "landscape";
    }

    @Override
    public String question() {
        return "Is the loss smoother with batch norm: do loss and gradient vary less along the gradient (Santurkar et al."
                + " 2018, figure 4)?";
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
        SortedSet<Integer> checkpoints = Santurkar.checkpoints(trial.setting());
        try (Classifier classifier = new Classifier(Santurkar.network(trial))) {
            Training training = Santurkar.training(trial, classifier);
            for (int step = 1; step <= checkpoints.last(); step++) {
                Santurkar.nextStep(classifier);
                Trainee.Batch batch = training.batches().next();
                if (checkpoints.contains(step)) {
                    recordAlongTheGradient(trial, step, classifier, batch);
                }
                classifier.gradients(batch.x(), batch.labels());
                training.optimizer().step();
                trial.worked(1);
            }
        }
    }

    /** Leaves the parameters as they were. */
    private static void recordAlongTheGradient(Trial trial, int step, Classifier classifier, Trainee.Batch batch) {
        List<Parameter> parameters = classifier.network().parameters();
        List<float[]> here = Santurkar.values(parameters);
        double least = classifier.gradients(batch.x(), batch.labels());
        double most = least;
        List<float[]> gradient = Santurkar.gradients(parameters);
        double largestChange = 0;
        double smoothness = 0;
        for (double factor : FACTORS) {
            double rate = factor * Santurkar.rate(trial);
            Santurkar.move(parameters, here, gradient, rate);
            double loss = classifier.gradients(batch.x(), batch.labels());
            least = Math.min(least, loss);
            most = Math.max(most, loss);
            double change = Santurkar.distance(gradient, Santurkar.gradients(parameters));
            largestChange = Math.max(largestChange, change);
            smoothness = Math.max(smoothness, change / (rate * Santurkar.norm(gradient)));
        }
        Santurkar.set(parameters, here);
        trial.record(VARIATION, step, most - least);
        trial.record(PREDICTIVENESS, step, largestChange);
        trial.record(SMOOTHNESS, step, smoothness);
    }

    @Override
    public void describe(Setting setting, Table table, Page page) {
        Series with = late(table, SMOOTHNESS, Santurkar.WITH, Santurkar.HIGH_RATE);
        Series without = late(table, SMOOTHNESS, Santurkar.WITHOUT, Santurkar.HIGH_RATE);
        page.finding(
                        "Going along the gradient changes the gradient by %.1f times the way gone with batch norm, by %.1f"
                                + " times without",
                        with.mean(0), without.mean(0))
                .protocol(
                        "%s At a checkpoint: the loss of the step's batch and its gradient at %s times the learning rate"
                                + " along the gradient. Range of the loss; largest change of the gradient (length); the"
                                + " largest change by the way gone, the effective β-smoothness.",
                        Santurkar.NETWORK, FACTORS)
                .note("Numbers below: means of the checkpoints in the last nine tenths of the steps. The picture is of"
                        + " learning rate 0.1.");
        page.note(
                "The first steps are another matter: before step %d, at rate 0.1, the effective β-smoothness is %s with"
                        + " and %s without.",
                EARLY_STEPS,
                Page.meanAndRange(early(table, Santurkar.WITH), 0),
                Page.meanAndRange(early(table, Santurkar.WITHOUT), 0));
        for (String quantity : List.of(VARIATION, PREDICTIVENESS, SMOOTHNESS)) {
            boolean smaller =
                    isSmaller(table, quantity, Santurkar.HIGH_RATE) && isSmaller(table, quantity, Santurkar.LOW_RATE);
            page.claim(
                    "Smaller with batch norm: " + label(quantity) + ".",
                    smaller,
                    "%s; %s.",
                    numbers(table, quantity, Santurkar.HIGH_RATE),
                    numbers(table, quantity, Santurkar.LOW_RATE));
            String title = Page.format(
                    "The %s: %.2f with batch norm, %.2f without",
                    quantity,
                    late(table, quantity, Santurkar.WITH, Santurkar.HIGH_RATE).mean(0),
                    late(table, quantity, Santurkar.WITHOUT, Santurkar.HIGH_RATE)
                            .mean(0));
            LineChart chart = Santurkar.chart(table, title, quantity, label(quantity), Santurkar.HIGH_RATE);
            page.chart(
                    quantity.equals(SMOOTHNESS)
                            ? chart.legend(LegendPosition.OutsideS)
                            : chart.logarithmicY().legend(LegendPosition.InsideSW));
        }
    }

    private static String label(String quantity) {
        return switch (quantity) {
            case VARIATION -> "range of the loss along the gradient";
            case PREDICTIVENESS -> "largest change of the gradient";
            default -> "effective β-smoothness";
        };
    }

    private static boolean isSmaller(Table table, String quantity, double rate) {
        return late(table, quantity, Santurkar.WITH, rate).isBelow(late(table, quantity, Santurkar.WITHOUT, rate), 0);
    }

    private static String numbers(Table table, String quantity, double rate) {
        return Page.format(
                "at rate %s %s with, %s without, %s with noise after batch norm",
                rate,
                Page.meanAndRange(late(table, quantity, Santurkar.WITH, rate), 0),
                Page.meanAndRange(late(table, quantity, Santurkar.WITHOUT, rate), 0),
                Page.meanAndRange(late(table, quantity, Santurkar.NOISY, rate), 0));
    }

    private static Series early(Table table, String kind) {
        return table.series(SMOOTHNESS, Santurkar.variant(kind, Santurkar.HIGH_RATE))
                .meanBefore(EARLY_STEPS);
    }

    private static Series late(Table table, String quantity, String kind, double rate) {
        Series series = table.series(quantity, Santurkar.variant(kind, rate));
        return series.meanFrom(series.last() / 10);
    }
}
