package org.batchnorm.bench.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.batchnorm.BatchNorm;
import org.batchnorm.bench.experiments.data.Digits;
import org.batchnorm.bench.experiments.data.IdxDirectory;
import org.batchnorm.bench.experiments.data.TrainTest;
import org.batchnorm.bench.experiments.papers.Experiment;
import org.batchnorm.bench.experiments.papers.ExperimentRun;
import org.batchnorm.bench.experiments.papers.Experiments;
import org.batchnorm.bench.experiments.papers.ResidentPlace;
import org.batchnorm.bench.experiments.papers.Scale;
import org.batchnorm.bench.experiments.papers.Setting;
import org.batchnorm.bench.experiments.train.ResidentTraining;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code batchnorm experiment}. */
@Command(
        name = "experiment",
        description = {
            "Looks at a claim about batch norm: trains small networks with several seeds and writes results.csv, a picture (PNG and SVG) and a page (README.md).",
            "",
            "What is done is kept after every run: an experiment that was stopped goes on where it was. The same seed gives the same numbers. "
                    + "Without arguments it lists the experiments."
        },
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  batchnorm experiment",
            "  batchnorm experiment convergence --quick",
            "  batchnorm experiment convergence --data path/to/mnist --out mnist",
            "  batchnorm experiment convergence --resident",
            "",
            "Exit codes: 0 done; 1 failure; 2 wrong usage or input."
        })
final class ExperimentCommand implements Callable<Integer> {
    private static final String DATA_VARIABLE = "BATCHNORM_DATA";

    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "NAME", arity = "0..1", description = "The experiment; left out, all are listed.")
    private @Nullable String name;

    @Option(names = "--quick", description = "A smaller form, within a minute.")
    private boolean quick;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            description = {
                "A directory with IDX files under MNIST's names, as for train.",
                "Default: the environment variable " + DATA_VARIABLE
                        + ", else the 1,797 digits that come with this program."
            })
    private @Nullable Path data;

    @Option(
            names = "--seeds",
            paramLabel = "N",
            defaultValue = "4",
            description = "How many seeds: 0 and those after it. Default: ${DEFAULT-VALUE}.")
    private int seeds;

    @Mixin
    private BackendArguments backend = new BackendArguments();

    @Option(
            names = "--resident",
            description = {
                "convergence: train wholly on the device of the tornadovm backend as well, for fewer steps. Needs TORNADOVM_HOME."
            })
    private boolean resident;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description = "Where the files go; made if missing. Default: out/experiments/NAME.")
    private @Nullable Path out;

    @Override
    public Integer call() throws IOException {
        PrintWriter screen = spec.commandLine().getOut();
        if (name == null) {
            for (Experiment experiment : Experiments.all()) {
                screen.printf("%-22s %s%n", experiment.name(), experiment.question());
            }
            return ExitCode.OK;
        }
        Experiment experiment = Experiments.named(name);
        Setting setting = new Setting(
                load(),
                quick ? Scale.QUICK : Scale.FULL,
                seeds,
                features -> backend.choose(BatchNorm.builder(features)),
                residentPlace(experiment));
        Path directory = out == null ? Path.of("out", "experiments", name) : out;
        ExperimentRun run = new ExperimentRun(experiment, setting, directory);
        screen.println(experiment.question());
        screen.println("On " + setting.data().name() + ", " + setting.scale() + " scale: " + run.missing() + " of "
                + run.runs()
                + " runs to do, of which each is kept when it is done. Stopped, the same command goes on.");
        screen.flush();
        long work = run.work();
        try (Progress progress = Progress.start(screen, name, Math.max(1, work))) {
            run.run(progress::stepTo);
        }
        screen.println("The page is " + directory.resolve("README.md") + ".");
        screen.flush();
        return ExitCode.OK;
    }

    private Optional<ResidentPlace> residentPlace(Experiment experiment) {
        if (!resident) {
            return Optional.empty();
        }
        if (!experiment.trainsOnDevice()) {
            throw new IllegalArgumentException("--resident: given with " + experiment.name()
                    + ", must be left out but for " + String.join(", ", Experiments.namesOnDevice()));
        }
        return Optional.of(new ResidentPlace(ResidentTraining.find(), backend.residentDevice()));
    }

    private TrainTest load() throws IOException {
        Path directory = data;
        String variable = System.getenv(DATA_VARIABLE);
        if (directory == null && variable != null && !variable.isEmpty()) {
            directory = Path.of(variable);
        }
        return directory == null ? Digits.load() : IdxDirectory.load(directory);
    }
}
