package org.batchnorm.bench.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.batchnorm.bench.jmh.results.Comparison;
import org.batchnorm.bench.jmh.results.Comparison.Change;
import org.batchnorm.bench.jmh.results.ResultsFile;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code batchnorm compare}. */
@Command(
        name = "compare",
        description = {
            "Compares two files of results and names what became slower beyond noise: by more than the tolerance, and with quartiles that do not touch.",
            "By how much the baselines and the peers changed is the machine's doing, and is taken out.",
            "Exit code 1 if anything became slower."
        },
        mixinStandardHelpOptions = true)
final class CompareCommand implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "OLD", description = "The results before.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private Path before;

    @Parameters(index = "1", paramLabel = "NEW", description = "The results after.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private Path after;

    @Option(
            names = "--tolerance",
            paramLabel = "PERCENT",
            defaultValue = "5",
            description = "A smaller change is none. Default: ${DEFAULT-VALUE}.")
    private double tolerancePercent;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        Comparison comparison =
                Comparison.of(ResultsFile.read(before), ResultsFile.read(after), tolerancePercent / 100);
        if (comparison.compared() == 0) {
            throw new IllegalArgumentException(
                    before + " and " + after + " have no measurement of batchnorm in common");
        }
        if (comparison.machines().size() > 1) {
            out.println("Not the same machine: " + String.join("; ", comparison.machines()));
        }
        out.println(comparison.compared() + " measurements compared; "
                + comparison.slower().size() + " slower, " + comparison.faster().size() + " faster, "
                + comparison.missing().size() + " only in " + before);
        out.println(String.format(
                Locale.ROOT, "The machine's own change, taken out: %+.1f %% time", 100 * (comparison.drift() - 1)));
        print(out, "Slower", comparison.slower());
        print(out, "Faster", comparison.faster());
        out.flush();
        return comparison.slower().isEmpty() ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    private static void print(PrintWriter out, String title, List<Change> changes) {
        if (!changes.isEmpty()) {
            out.println();
            out.println(title + ":");
            for (Change change : changes) {
                out.println(String.format(
                        Locale.ROOT,
                        "  %5.2f×  %.5g → %.5g ms  %s",
                        change.factor(),
                        change.before().result().milliseconds(),
                        change.after().result().milliseconds(),
                        change.point()));
            }
        }
    }
}
