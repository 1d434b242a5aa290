package org.batchnorm.bench.experiments.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.batchnorm.bench.output.Column;
import org.batchnorm.bench.output.Columns;

/** The table at the end of a comparison: a column a network, the first one the baseline. */
public final class ComparisonTable {
    private static final int LABEL_WIDTH = 40;
    private static final int COLUMN_WIDTH = 19;

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
        List<Column<Quantity>> columns = new ArrayList<>();
        columns.add(Column.<Quantity>words("", Quantity::label).wide(LABEL_WIDTH));
        for (Trainee trainee : trainees) {
            columns.add(Column.<Quantity>numbers(
                            trainee.name() + " batch norm",
                            quantity -> quantity.of().apply(trainee))
                    .wide(COLUMN_WIDTH));
        }
        Columns<Quantity> table = new Columns<>(columns);
        return Stream.concat(
                        Stream.of(table.plainHeader()), quantities().stream().map(table::plain))
                .map(line -> line + System.lineSeparator())
                .collect(Collectors.joining());
    }

    private List<Quantity> quantities() {
        double best = trainees.getFirst().curve().bestAccuracy();
        List<Quantity> rows = new ArrayList<>(List.of(
                new Quantity("training loss, mean of the last " + lossSteps + " steps", this::lastLosses),
                new Quantity(
                        "test loss",
                        trainee -> loss(trainee.curve().lastEvaluation().testLoss())),
                new Quantity(
                        "test accuracy",
                        trainee -> percent(trainee.curve().lastEvaluation().testAccuracy())),
                new Quantity(
                        "best test accuracy", trainee -> percent(trainee.curve().bestAccuracy())),
                new Quantity("steps to a test accuracy of " + percent(target), trainee -> steps(trainee, target)),
                new Quantity("steps to the baseline's best, " + percent(best), trainee -> steps(trainee, best)),
                new Quantity(
                        "time per step (median)",
                        trainee -> millis(trainee.curve().medianStepNanos())),
                new Quantity("  of which in batch norm and activations", ComparisonTable::share)));
        if (trainees.stream().anyMatch(trainee -> trainee.curve().medianExchangeNanos() > 0)) {
            rows.add(new Quantity(
                    "  of which in exchanges, with waiting",
                    trainee -> millis(trainee.curve().medianExchangeNanos())));
        }
        return rows;
    }

    private String lastLosses(Trainee trainee) {
        Curve curve = trainee.curve();
        return loss(curve.meanTrainingLoss(Math.max(0, curve.steps() - lossSteps), curve.steps()));
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
        if (trainee.curve().medianBetweenLinearNanos() == 0) {
            return "-";
        }
        return String.format(
                Locale.ROOT,
                "%.1f %%",
                100.0
                        * trainee.curve().medianBetweenLinearNanos()
                        / trainee.curve().medianStepNanos());
    }

    /** A row: what is told, and of each network. */
    private record Quantity(String label, Function<Trainee, String> of) {}
}
