package org.batchnorm.bench.cli;

import java.io.PrintStream;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The command line {@code batchnorm}. A new command is one class more in the list of subcommands. */
@Command(
        name = "batchnorm",
        description = "Batch normalization for Java: see what runs here, check it, train with it, measure it.",
        subcommands = {
            DevicesCommand.class,
            TrainCommand.class,
            ExperimentCommand.class,
            VerifyCommand.class,
            BenchCommand.class,
            PlotCommand.class,
            CompareCommand.class,
            CheckGpuCommand.class
        },
        mixinStandardHelpOptions = true,
        versionProvider = Main.Version.class,
        footerHeading = "%nExamples:%n",
        footer = {
            "  batchnorm devices                   what can run batch norm here",
            "  batchnorm train                     train with and without, compare",
            "  batchnorm experiment                the papers' claims, tried",
            "  batchnorm verify case.safetensors   check against PyTorch's numbers",
            "  batchnorm check-gpu                      check a GPU and measure it",
            "  batchnorm <command> --help          all options of a command",
            "",
            "Exit codes: 0 success; 1 failure, or a mismatch found; 2 wrong usage or input."
        })
public final class Main implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(
            names = "--verbose",
            scope = ScopeType.INHERIT,
            description = "Show the stack trace of an error, not its message alone.")
    private boolean verbose;

    /** Runs the command line and ends the process with its exit code. */
    public static void main(String[] arguments) {
        System.setProperty("java.awt.headless", "true");
        if (System.getProperty("java.util.logging.SimpleFormatter.format") == null) {
            System.setProperty("java.util.logging.SimpleFormatter.format", "%4$s: %5$s%6$s%n");
        }
        System.exit(run(commandLine(), System.out, arguments));
    }

    /**
     * Runs the command line. A command that cannot say its results has failed: the streams keep quiet about a full disk
     * or a closed pipe unless they are asked.
     *
     * @param below the stream into which the command line's own writes
     */
    static int run(CommandLine commandLine, PrintStream below, String... arguments) {
        int code = commandLine.execute(arguments);
        boolean lost = commandLine.getOut().checkError() || below.checkError();
        if (!lost || code != CommandLine.ExitCode.OK) {
            return code;
        }
        commandLine
                .getErr()
                .println("batchnorm: the output could not be written: a full disk, or a pipe that the reader closed");
        commandLine.getErr().flush();
        return CommandLine.ExitCode.SOFTWARE;
    }

    /** The command line, for {@link #main} and for tests. */
    static CommandLine commandLine() {
        CommandLine commandLine = new CommandLine(new Main());
        commandLine.setCaseInsensitiveEnumValuesAllowed(true);
        commandLine.setUsageHelpAutoWidth(true);
        commandLine.registerConverter(Path.class, Main::path);
        commandLine.setParameterExceptionHandler(ErrorMessages::wrongUsage);
        commandLine.setExecutionExceptionHandler(ErrorMessages::failure);
        return commandLine;
    }

    /** An empty name would stand for the current folder, which nobody means who leaves a variable empty. */
    private static Path path(String text) {
        if (text.isBlank()) {
            throw new CommandLine.TypeConversionException(
                    "\"" + text + "\" given, must name a file or a folder (the current one is .)");
        }
        return Path.of(text);
    }

    /** Whether the user asked for stack traces. */
    boolean isVerbose() {
        return verbose;
    }

    /** Without a command: says which there are. */
    @Override
    public Integer call() {
        spec.commandLine().usage(spec.commandLine().getErr());
        return CommandLine.ExitCode.USAGE;
    }

    /** The version, as the jar's manifest has it. */
    static final class Version implements CommandLine.IVersionProvider {
        @Override
        public String[] getVersion() {
            String version = Main.class.getPackage().getImplementationVersion();
            return new String[] {
                "batchnorm " + (version == null ? "(not from a jar)" : version),
                "Java " + Runtime.version() + " (" + System.getProperty("java.vendor") + ")"
            };
        }
    }
}
