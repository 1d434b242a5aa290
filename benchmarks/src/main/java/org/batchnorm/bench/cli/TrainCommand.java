package org.batchnorm.bench.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.batchnorm.BatchNorm;
import org.batchnorm.bench.experiments.data.Digits;
import org.batchnorm.bench.experiments.data.IdxDirectory;
import org.batchnorm.bench.experiments.data.TrainTest;
import org.batchnorm.bench.experiments.train.Architecture;
import org.batchnorm.bench.experiments.train.Comparison;
import org.batchnorm.bench.experiments.train.ComparisonTable;
import org.batchnorm.bench.experiments.train.Curve;
import org.batchnorm.bench.experiments.train.CurveFiles;
import org.batchnorm.bench.experiments.train.NetworkKind;
import org.batchnorm.bench.experiments.train.OptimizerKind;
import org.batchnorm.bench.experiments.train.Placement;
import org.batchnorm.bench.experiments.train.ResidentTraining;
import org.batchnorm.bench.experiments.train.Settings;
import org.batchnorm.bench.experiments.train.Trainee;
import org.batchnorm.spi.StatisticsExchange;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code batchnorm train}. */
@Command(
        name = "train",
        description = {
            "Trains one network twice, without batch norm and with it, from the same initial weights and on the same batches in the same order, and compares.",
            "",
            "Both see the same learning rate, by default one at which the network without batch norm learns fast and steadily. The end is a table, and the curves as "
                    + "CSV, PNG and SVG in the output directory. The same seed gives the same numbers."
        },
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  batchnorm train",
            "  batchnorm train --network paper --epochs 60",
            "  batchnorm train --optimizer adam --placement before --seed 7",
            "  batchnorm train --data path/to/mnist --epochs 3 --out mnist",
            "  batchnorm train --backend scalar --threads 1",
            "  batchnorm train --unfused",
            "  batchnorm train --resident",
            "  mpirun -n 4 scripts/batchnorm train --distributed mpi --threads 1",
            "",
            "Exit codes: 0 trained; 1 failure; 2 wrong usage or input."
        })
final class TrainCommand implements Callable<Integer> {
    private static final int EPOCHS_ON_DIGITS = 30;
    private static final int EPOCHS_ON_FILES = 5;

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            description = {
                "A directory with IDX files under MNIST's names (train-images-idx3-ubyte and so on, .gz or not).",
                "Default: the 1,797 digits of 8 x 8 pixels that come with this program, a fixed fifth of them for testing."
            })
    private @Nullable Path data;

    @Option(
            names = "--network",
            paramLabel = "NAME",
            defaultValue = "textbook",
            description = {
                "textbook: Linear, LeakyReLU, BatchNorm with widths 200, 100, 50 and the classes.",
                "paper: three sigmoid layers of 100 (Ioffe and Szegedy 2015, section 4.1).",
                "Default: ${DEFAULT-VALUE}."
            })
    private NetworkKind network = NetworkKind.TEXTBOOK;

    @Option(
            names = "--placement",
            paramLabel = "WHERE",
            description =
                    "before or after the activation. Default: after in the textbook network, before in the paper's.")
    private @Nullable Placement placement;

    @Option(
            names = "--optimizer",
            paramLabel = "NAME",
            defaultValue = "sgd",
            description = "sgd (with momentum 0.9) or adam. Default: ${DEFAULT-VALUE}.")
    private OptimizerKind optimizer = OptimizerKind.SGD;

    @Option(
            names = "--learning-rate",
            paramLabel = "RATE",
            description =
                    "Of both networks. Default: 0.05 with sgd (0.2 in the paper's network), 0.003 with adam (0.01).")
    private @Nullable Double learningRate;

    @Option(
            names = "--batch-size",
            paramLabel = "N",
            defaultValue = "60",
            description = "Images a step. Default: ${DEFAULT-VALUE}.")
    private int batchSize;

    @ArgGroup
    private @Nullable Length length;

    /** How long to train: one of the two. */
    private static final class Length {
        @Option(
                names = "--epochs",
                paramLabel = "N",
                description = "Passes over the training images. Default: 30 on the digits, 5 with --data.")
        private @Nullable Integer epochs;

        @Option(names = "--steps", paramLabel = "N", description = "Steps of one batch each, in place of --epochs.")
        private @Nullable Integer steps;
    }

    @Option(
            names = "--seed",
            paramLabel = "N",
            defaultValue = "1",
            description = "Of the initial weights and the order of the images. Default: ${DEFAULT-VALUE}.")
    private long seed;

    @Option(
            names = "--target",
            paramLabel = "PERCENT",
            defaultValue = "97",
            description = "The test accuracy to which the steps are counted. Default: ${DEFAULT-VALUE}.")
    private double target;

    @Mixin
    private BackendArguments backend = new BackendArguments();

    @Option(
            names = "--unfused",
            description = {
                "Leave activations to layers of their own. Default: where it can, batch norm does them in its own passes over memory,",
                "with the same results but for rounding (the textbook network's; with --distributed where they come before batch norm)."
            })
    private boolean unfused;

    @Option(
            names = "--resident",
            description = {
                "Train wholly on the device of the tornadovm backend: linear layers, activations, loss and optimizer as well,",
                "with images and parameters in its memory. Needs TORNADOVM_HOME."
            })
    private boolean resident;

    @Option(
            names = "--distributed",
            paramLabel = "HOW",
            description = {
                "mpi: this is one of the processes that mpirun started, with an Open MPI or MPICH that is installed. Each takes its",
                "part of every batch; together they train as one process does. The first one prints and writes."
            })
    private Ranks.@Nullable Kind distributed;

    @Option(
            names = "--deadline",
            paramLabel = "SECONDS",
            defaultValue = "120",
            description =
                    "How long a process of --distributed waits for the others before all end. Default: ${DEFAULT-VALUE}.")
    private int deadline;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            defaultValue = "out/train",
            description = "Where curves.csv and the pictures go; made if missing. Default: ${DEFAULT-VALUE}.")
    private Path out = Path.of("out", "train");

    @Override
    public Integer call() throws Exception {
        if (distributed != null) {
            if (resident) {
                throw new IllegalArgumentException("--distributed: given with --resident, must be one of them");
            }
            return Ranks.run(Duration.ofSeconds(deadline), this::train);
        }
        Plan plan = plan();
        prepareOutput();
        try (Comparison comparison = resident ? resident(plan) : onHost(plan)) {
            train(comparison, plan, (resident ? "Everything" : "Batch norm") + " runs on " + place(comparison));
            report(comparison, plan);
        }
        return ExitCode.OK;
    }

    /** What was asked for, checked. */
    private record Plan(TrainTest images, Architecture network, Settings settings) {}

    private Plan plan() throws IOException {
        if (!(target > 0 && target <= 100)) {
            throw new IllegalArgumentException("--target: " + target + " given, must be a percentage within (0, 100]");
        }
        TrainTest images = data == null ? Digits.load() : IdxDirectory.load(data);
        Placement where = placement == null ? network.defaultPlacement() : placement;
        boolean fuses = !unfused && (resident || backend.doesActivations());
        return new Plan(
                images,
                fuses ? Architecture.fused(network, where) : Architecture.unfused(network, where),
                settings(images));
    }

    private Comparison onHost(Plan plan) {
        return Comparison.withAndWithout(
                plan.images(),
                plan.network(),
                optimizer,
                plan.settings(),
                builder -> backend.choose(builder).build());
    }

    private Comparison resident(Plan plan) {
        return Comparison.resident(
                plan.images(),
                plan.network(),
                optimizer,
                plan.settings(),
                ResidentTraining.find(),
                backend.residentDevice());
    }

    /** Trains as one of several ranks, the first of which prints and writes. */
    private void train(StatisticsExchange exchange) throws Ranks.AgreedFailure {
        boolean first = exchange.rank() == 0;
        Plan plan = Ranks.together(exchange, () -> {
            Plan checked = plan();
            // A backend that this machine does not have is told before the ranks need each other.
            backend.choose(BatchNorm.builder(1)).build().close();
            if (first) {
                prepareOutput();
            }
            return checked;
        });
        try (Comparison comparison = Comparison.distributed(
                plan.images(),
                plan.network(),
                optimizer,
                plan.settings(),
                (builder, timed) ->
                        backend.choose(builder).synchronizedBy(timed).build(),
                exchange)) {
            if (first) {
                train(
                        comparison,
                        plan,
                        "Batch norm runs on " + place(comparison) + ", on " + exchange.size()
                                + " ranks with a part of every batch each");
            } else {
                comparison.run(step -> {});
            }
            Ranks.together(exchange, () -> {
                if (first) {
                    report(comparison, plan);
                }
                return exchange;
            });
        }
    }

    private static String place(Comparison comparison) {
        return comparison.trainees().getLast().place();
    }

    private Settings settings(TrainTest images) {
        int stepsPerEpoch = Settings.stepsPerEpoch(images, batchSize);
        double rate = learningRate == null ? optimizer.defaultLearningRate(network) : learningRate;
        return new Settings(batchSize, steps(stepsPerEpoch), Settings.evaluateEvery(images, batchSize), rate, seed);
    }

    private int steps(int stepsPerEpoch) {
        if (length != null && length.steps != null) {
            return length.steps;
        }
        int defaultEpochs = data == null ? EPOCHS_ON_DIGITS : EPOCHS_ON_FILES;
        int epochs = length == null || length.epochs == null ? defaultEpochs : length.epochs;
        if (epochs < 1 || epochs > Integer.MAX_VALUE / stepsPerEpoch) {
            throw new IllegalArgumentException("--epochs: " + epochs + " given, must be at least 1 and at most "
                    + Integer.MAX_VALUE / stepsPerEpoch);
        }
        return epochs * stepsPerEpoch;
    }

    /** Finds out before the training whether its results can be written. */
    private void prepareOutput() throws IOException {
        try {
            Files.createDirectories(out);
            Files.delete(Files.createTempFile(out, ".write-test", null));
        } catch (IOException e) {
            throw new IOException("--out: " + out + " cannot be written to: " + ErrorMessages.message(e), e);
        }
    }

    private void train(Comparison comparison, Plan plan, String place) {
        PrintWriter screen = spec.commandLine().getOut();
        TrainTest images = plan.images();
        Settings settings = plan.settings();
        Trainee without = comparison.trainees().getFirst();
        Trainee with = comparison.trainees().getLast();
        screen.println(describeNetwork(plan));
        screen.println(describe(settings));
        screen.println(images.train().size() + " images to train on, "
                + images.test().size() + " to test with, " + settings.steps() + " steps");
        screen.println(place);
        screen.println("Without batch norm and with it: training loss, test accuracy");
        screen.println();
        screen.flush();
        try (Progress progress = Progress.start(screen, "train", settings.steps())) {
            comparison.run(step -> {
                progress.stepTo(step, standing(without) + " | " + standing(with));
            });
        }
    }

    private void report(Comparison comparison, Plan plan) throws IOException {
        PrintWriter screen = spec.commandLine().getOut();
        Settings settings = plan.settings();
        int stepsPerEpoch = Settings.stepsPerEpoch(plan.images(), settings.batchSize());
        ComparisonTable table =
                new ComparisonTable(comparison.trainees(), Math.min(stepsPerEpoch, settings.steps()), target / 100);
        screen.println();
        screen.print(table.render());
        screen.println();
        screen.println(table.conclusion());
        BackendArguments.reportPreparation(screen);
        screen.flush();

        CurveFiles files = new CurveFiles(describeNetwork(plan) + ", " + describe(settings), comparison.trainees());
        files.writeCsv(out);
        files.writePictures(out);
        screen.println("The curves are in " + out + ": " + String.join(", ", CurveFiles.NAMES) + ".");
        screen.flush();
    }

    /** Short enough that a bar with both networks fits into 80 columns. */
    private static String standing(Trainee trainee) {
        Curve curve = trainee.curve();
        String accuracy = curve.evaluations().isEmpty()
                ? ""
                : String.format(
                        Locale.ROOT, " %.1f%%", 100 * curve.lastEvaluation().testAccuracy());
        return String.format(Locale.ROOT, "%s %.3f%s", trainee.name(), curve.latestTrainingLoss(), accuracy);
    }

    private String describeNetwork(Plan plan) {
        return plan.images().name() + ": " + network + " network, batch norm "
                + plan.network().placement() + " activation";
    }

    private String describe(Settings settings) {
        return optimizer + ", rate " + settings.learningRate() + ", batch " + settings.batchSize() + ", seed "
                + settings.seed();
    }
}
