package org.batchnorm.bench.experiments.train;

import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.function.Function;

/** The table at the end of a comparison: a column a network, the first one the baseline. */
public final class ComparisonTable {
    private static final int LABEL_WIDTH = 40;
    private static final int COLUMN_WIDTH = 20;

    private final List<Trainee> trainees;
    private final int lossSteps;
    private final double target;

    /**
     * A table.
     *
     * @param trainees what to compare, the baseline first
     * @param lossSteps over how many of the last steps the training loss is averaged
     * @param target a test accuracy, within (0, 1], to which the steps are counted
     */
    public ComparisonTable(List<Trainee> trainees, int lossSteps, double target) {
        this.trainees = List.copyOf(trainees);
        this.lossSteps = lossSteps;
        this.target = target;
    }

    /** The lines of the table. */
    public String render() {
        double best = trainees.getFirst().curve().bestAccuracy();
        StringBuilder table = new StringBuilder();
        row(table, "", trainee -> trainee.name() + " batch norm");
        row(
                table,
                "training loss, mean of the last " + lossSteps + " steps",
                trainee -> loss(trainee.curve()
                        .meanTrainingLoss(
                                Math.max(0, trainee.curve().steps() - lossSteps),
                                trainee.curve().steps())));
        row(table, "test loss", trainee -> loss(trainee.curve().lastEvaluation().testLoss()));
        row(
                table,
                "test accuracy",
                trainee -> percent(trainee.curve().lastEvaluation().testAccuracy()));
        row(table, "best test accuracy", trainee -> percent(trainee.curve().bestAccuracy()));
        row(table, "steps to a test accuracy of " + percent(target), trainee -> steps(trainee, target));
        row(table, "steps to the baseline's best, " + percent(best), trainee -> steps(trainee, best));
        row(table, "time per step (median)", trainee -> millis(trainee.curve().medianStepNanos()));
        row(table, "  of which in batch norm", ComparisonTable::share);
        if (trainees.stream().anyMatch(trainee -> trainee.curve().medianExchangeNanos() > 0)) {
            row(
                    table,
                    "  of which in exchanges, with waiting",
                    trainee -> millis(trainee.curve().medianExchangeNanos()));
        }
        return table.toString();
    }

    /** One sentence on how much sooner batch norm reaches the target. */
    public String conclusion() {
        OptionalInt without = trainees.getFirst().curve().stepsTo(target);
        OptionalInt with = trainees.getLast().curve().stepsTo(target);
        String reached = "A test accuracy of " + percent(target) + " was reached ";
        if (without.isPresent() && with.isPresent()) {
            return String.format(
                    Locale.ROOT,
                    "%safter %d steps with batch norm and after %d without: %.1f times as many.",
                    reached,
                    with.getAsInt(),
                    without.getAsInt(),
                    (double) without.getAsInt() / with.getAsInt());
        }
        if (with.isPresent()) {
            return reached + "after " + with.getAsInt() + " steps with batch norm and not at all without.";
        }
        if (without.isPresent()) {
            return reached + "after " + without.getAsInt() + " steps without batch norm and not at all with it.";
        }
        return reached + "by neither network.";
    }

    private void row(StringBuilder table, String label, Function<Trainee, String> cell) {
        table.append(String.format("%-" + LABEL_WIDTH + "s", label));
        for (Trainee trainee : trainees) {
            table.append(String.format("%" + COLUMN_WIDTH + "s", cell.apply(trainee)));
        }
        table.append(System.lineSeparator());
    }

    private static String loss(double loss) {
        return Double.isFinite(loss) ? String.format(Locale.ROOT, "%.4f", loss) : "diverged";
    }

    private static String percent(double share) {
        return String.format(Locale.ROOT, "%.2f %%", 100 * share);
    }

    private static String millis(long nanos) {
        return String.format(Locale.ROOT, "%.3f ms", nanos / 1e6);
    }

    private static String steps(Trainee trainee, double accuracy) {
        OptionalInt steps = trainee.curve().stepsTo(accuracy);
        return steps.isPresent() ? Integer.toString(steps.getAsInt()) : "not reached";
    }

    private static String share(Trainee trainee) {
        if (trainee.curve().medianBatchNormNanos() == 0) {
            return "-";
        }
        return String.format(
                Locale.ROOT,
                "%.1f %%",
                100.0 * trainee.curve().medianBatchNormNanos() / trainee.curve().medianStepNanos());
    }
}
