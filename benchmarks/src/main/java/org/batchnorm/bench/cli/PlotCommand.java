package org.batchnorm.bench.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.batchnorm.bench.jmh.results.BatchSizePlots;
import org.batchnorm.bench.jmh.results.Measurement;
import org.batchnorm.bench.jmh.results.ResultsFile;
import org.batchnorm.bench.jmh.results.ResultsPage;
import org.batchnorm.state.ReplacedFile;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code batchnorm plot}. */
@Command(
        name = "plot",
        description = {
            "Draws stored results over the batch size, as PNG and SVG, and prints the Markdown tables of benchmarks/RESULTS.md.",
        },
        mixinStandardHelpOptions = true)
final class PlotCommand implements Callable<Integer> {
    private static final String BEGIN = "<!-- benchmarks: begin -->";
    private static final String END = "<!-- benchmarks: end -->";

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Parameters(
            arity = "0..*",
            paramLabel = "FILE",
            description = "Results files. Default: all in the checkout's benchmarks/results.")
    private List<Path> files = List.of();

    @Option(
            names = "--out",
            paramLabel = "FOLDER",
            description = "Where the pictures go. Default: the checkout's benchmarks/plots.")
    private @Nullable Path folder;

    @Option(
            names = "--page",
            paramLabel = "FILE",
            description = "Puts the tables into this file too, between the lines " + BEGIN + " and " + END + ".")
    private @Nullable Path page;

    @Override
    public Integer call() throws IOException {
        PrintWriter out = spec.commandLine().getOut();
        List<Measurement> rows = new ArrayList<>();
        for (Path file : files.isEmpty() ? storedResults() : files) {
            rows.addAll(ResultsFile.read(file));
        }
        if (rows.isEmpty()) {
            throw new IllegalArgumentException("no results to plot: the files given are empty");
        }
        Path pictures = folder == null ? Checkout.benchmarks().resolve("plots") : folder;
        List<Path> written = BatchSizePlots.draw(rows, pictures);
        List<String> tables = ResultsPage.of(rows);
        tables.forEach(out::println);
        written.forEach(file -> spec.commandLine().getErr().println("wrote " + file));
        if (page != null) {
            replaceBetweenMarkers(page, tables);
            spec.commandLine().getErr().println("wrote the tables into " + page);
        }
        out.flush();
        spec.commandLine().getErr().flush();
        return ExitCode.OK;
    }

    private static List<Path> storedResults() throws IOException {
        Path results = Checkout.benchmarks().resolve("results");
        if (!Files.isDirectory(results)) {
            throw new IllegalArgumentException("no folder " + results + " with results; name the files to plot");
        }
        try (Stream<Path> all = Files.list(results)) {
            List<Path> found = all.filter(file -> file.toString().endsWith(".jsonl"))
                    .sorted()
                    .toList();
            if (found.isEmpty()) {
                throw new IllegalArgumentException("no *.jsonl in " + results + "; name the files to plot");
            }
            return found;
        }
    }

    private static void replaceBetweenMarkers(Path file, List<String> content) throws IOException {
        List<String> lines = Files.readAllLines(file);
        int begin = lines.indexOf(BEGIN);
        int end = lines.indexOf(END);
        if (begin < 0 || end < begin) {
            throw new IllegalArgumentException(
                    "--page: " + file + " has no lines \"" + BEGIN + "\" and \"" + END + "\" in this order");
        }
        List<String> replaced = new ArrayList<>(lines.subList(0, begin + 1));
        replaced.addAll(content);
        replaced.addAll(lines.subList(end, lines.size()));
        ReplacedFile.write(file, out -> {
            for (String line : replaced) {
                out.write((line + "\n").getBytes(StandardCharsets.UTF_8));
            }
        });
    }
}
