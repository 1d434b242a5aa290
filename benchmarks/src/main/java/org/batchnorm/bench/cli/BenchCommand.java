package org.batchnorm.bench.cli;

import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.batchnorm.bench.jmh.OperationBenchmark;
import org.batchnorm.bench.jmh.results.Environment;
import org.batchnorm.bench.jmh.results.KindTables;
import org.batchnorm.bench.jmh.results.Measurement;
import org.batchnorm.bench.jmh.results.Ratios;
import org.batchnorm.bench.jmh.results.ResultsFile;
import org.batchnorm.bench.jmh.results.Tables;
import org.batchnorm.bench.jmh.session.MeasuredBackend;
import org.batchnorm.bench.jmh.session.Schedule;
import org.batchnorm.bench.jmh.session.Session;
import org.batchnorm.bench.jmh.session.Task;
import org.batchnorm.bench.peers.BuiltPeer;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Kind;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;
import org.batchnorm.bench.workload.ShapeGrid;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormBackend;
import org.batchnorm.spi.DeviceInfo;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code batchnorm bench}. */
@Command(
        name = "bench",
        description = {
            "Measures batch norm with JMH over the shapes of real networks and over batch sizes, beside an array copy and, with --peers, other libraries.",
            "Every result is checked against double precision before it is timed. Without filters the whole grid can take an hour, with --peers more."
        },
        mixinStandardHelpOptions = true,
        footerHeading = "%nExamples:%n",
        footer = {
            "  batchnorm bench --quick",
            "  batchnorm bench --peers --operation forward --shape 1024x1024 --threads 1",
            "  batchnorm bench --type float32,float16,bfloat16 --shape 65536x256",
            "  batchnorm bench --fused leaky_relu,residual+relu --peers=libtorch,onednn --shape 65536x256 --memory heap",
            "  batchnorm bench --peers --json benchmarks/results/cpu.jsonl"
        })
final class BenchCommand implements Callable<Integer> {
    private static final String ALL_CORES = "all";

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Option(
            names = "--quick",
            description =
                    "Five shapes that stand for the rest, data in arrays, the backend that 'auto' chooses: about 5 minutes on two cores.")
    private boolean quick;

    @Option(
            names = "--peers",
            arity = "0..1",
            split = ",",
            fallbackValue = BuiltPeer.ALL,
            paramLabel = "NAME",
            description = "Measures other libraries too: all, or those named (" + BuiltPeer.ALL
                    + "). Build them with: mvn -Ppeers package -DskipTests")
    private List<String> peers = List.of();

    @Option(
            names = "--operation",
            split = ",",
            paramLabel = "NAME",
            description = "forward, inference or backward. Default: all three.")
    private @Nullable List<String> operations;

    @Option(
            names = "--type",
            split = ",",
            paramLabel = "TYPE",
            description =
                    "Element types, side by side: float32, float16, bfloat16. Default: float32. Peers, --layer and --first are measured with float32 alone.")
    private List<String> types = List.of("float32");

    @Option(
            names = "--fused",
            split = ",",
            paramLabel = "WHAT",
            description =
                    "What is done in batch norm's passes, side by side: none, relu, leaky_relu, input_leaky_relu (before batch norm), residual+relu, residual+leaky_relu; beside the same in separate passes and, with --peers, in other libraries. Default: none.")
    private List<String> fused = List.of("none");

    @Option(
            names = "--shape",
            split = ",",
            paramLabel = "SHAPE",
            description = "NxC, NxCxL or NxCxHxW, with :channels-last behind it for that layout. Default: the grid.")
    private @Nullable List<String> shapes;

    @Option(
            names = "--backend",
            split = ",",
            paramLabel = "NAME",
            description =
                    "vector, scalar, tornadovm. Default: all that can be used here; with --quick the one that 'auto' chooses.")
    private @Nullable List<String> backends;

    @Option(
            names = "--device",
            paramLabel = "ID",
            description =
                    "The device of the tornadovm backend, as 'batchnorm devices' lists it, for example 0:0. Default: its choice.")
    private @Nullable String device;

    @Option(
            names = "--threads",
            split = ",",
            paramLabel = "N",
            description = "Numbers of threads; 'all' for all processors. Default: 1 and all.")
    private List<String> threads = List.of("1", ALL_CORES);

    @Option(
            names = "--memory",
            split = ",",
            paramLabel = "WHERE",
            description = "heap (float[]) or off-heap. Default: both; heap with --quick.")
    private @Nullable List<String> memories;

    @Option(
            names = "--layer",
            description = "Measures the layer as well: its cost above the backend, and its bytes allocated per call.")
    private boolean layer;

    @Option(
            names = "--first",
            description =
                    "Measures first calls as well: of a JVM, and of a shape after another. Takes a dozen JVMs for each point; name a few shapes.")
    private boolean firstCalls;

    @Option(
            names = "--json",
            paramLabel = "FILE",
            description = "Adds the measurements to this results file, one JSON object a line, as they are taken.")
    private @Nullable Path json;

    @Option(
            names = "--samples",
            paramLabel = "N",
            defaultValue = "15",
            description = "Samples of each measurement; medians are stated. Default: ${DEFAULT-VALUE}.")
    private int samples;

    @Option(
            names = "--sample-time",
            paramLabel = "MS",
            defaultValue = "20",
            description = "Milliseconds of a sample. Default: ${DEFAULT-VALUE}.")
    private int sampleMillis;

    @Option(
            names = "--forks",
            paramLabel = "N",
            defaultValue = "1",
            description =
                    "Processes of each measurement, ours and the peers' in turns; the samples are those of all. How fast code gets differs from JVM to JVM. Default: ${DEFAULT-VALUE}.")
    private int forks;

    @Option(
            names = "--warmup",
            paramLabel = "MS",
            defaultValue = "200",
            description =
                    "Milliseconds of JMH's warm-up, after the benchmark's own, which lasts until the operation is steady. Default: ${DEFAULT-VALUE}.")
    private int warmupMillis;

    @Option(
            names = "--log",
            paramLabel = "FILE",
            description = "Receives what JMH and the peers print. Default: a temporary file.")
    private @Nullable Path log;

    @Override
    public Integer call() throws Exception {
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter err = spec.commandLine().getErr();
        Path home = Checkout.benchmarks();
        chooseDevice();
        List<List<Task>> groups = schedule().groups();
        int tasks = groups.stream().mapToInt(List::size).sum();
        Samples.Plan plan = new Samples.Plan(warmupMillis, sampleMillis, samples);
        if (forks < 1) {
            throw new IllegalArgumentException("--forks: " + forks + " given, must be at least 1");
        }
        Path logFile = log == null ? Files.createTempFile("batchnorm-bench-", ".log") : log;
        List<Measurement> rows = new ArrayList<>();
        Map<Task, String> failures = new LinkedHashMap<>();
        Set<String> leftOut = new LinkedHashSet<>();
        long start = System.nanoTime();
        try (Session session = new Session(Environment.currentRun(home), plan, forks, home.resolve("peers"), logFile);
                Progress progress = Progress.start(err, "bench", tasks)) {
            int done = 0;
            for (List<Task> group : groups) {
                Session.Outcome outcome = session.measure(group);
                rows.addAll(outcome.rows());
                failures.putAll(outcome.failures());
                leftOut.addAll(outcome.fusionsWithoutRows(group));
                if (json != null) {
                    ResultsFile.append(json, outcome.rows());
                }
                done += group.size();
                progress.stepTo(done, remaining(start, done, tasks) + group.getLast());
            }
        }
        Tables.measurements(rows).forEach(out::println);
        List<Measurement> plain =
                rows.stream().filter(row -> row.point().kind().isPlain()).toList();
        for (String memory : List.of(OperationBenchmark.HEAP, OperationBenchmark.OFF_HEAP)) {
            ratios(out, plain, memory);
        }
        print(out, "Milliseconds by element type, and by those of float32:", KindTables.types(rows));
        print(out, "Milliseconds of what is fused, and by those of ours, fused:", KindTables.fused(rows));
        leftOut.forEach(what -> err.println("left out: " + what + ", which has no calls for it"));
        failures.forEach((task, failure) -> err.println("failed: " + task + ": " + failure));
        if (!failures.isEmpty()) {
            err.println(failures.size() + " of " + tasks + " measurements failed; more in " + logFile);
        } else if (log == null) {
            Files.delete(logFile);
        }
        out.flush();
        err.flush();
        return failures.isEmpty() ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    private static void print(PrintWriter out, String heading, List<String> table) {
        if (!table.isEmpty()) {
            out.println();
            out.println(heading);
            out.println();
            table.forEach(out::println);
        }
    }

    private static void ratios(PrintWriter out, List<Measurement> rows, String memory) {
        new TreeMap<>(Map.of("native libraries", Ratios.NATIVE, "Java libraries", Ratios.JAVA))
                .forEach((who, libraries) -> {
                    List<Ratios.Ratio> ratios = Ratios.of(rows, "vector", memory, libraries);
                    if (!ratios.isEmpty()) {
                        out.println();
                        out.println("Time of the fastest of the " + who + " by ours (vector, " + memory + "):");
                        out.println();
                        Tables.ratios(ratios).forEach(out::println);
                    }
                });
    }

    private Schedule schedule() {
        List<Operation> chosenOperations = operations == null
                ? Operation.ofBatchNorm()
                : operations.stream().map(BenchCommand::operation).toList();
        List<BenchShape> chosenShapes = shapes == null
                ? quick ? ShapeGrid.quick() : ShapeGrid.full()
                : shapes.stream()
                        .map(BenchShape::parse)
                        .map(BenchShape::requireArray)
                        .toList();
        chosenShapes.forEach(shape -> chosenOperations.stream()
                .filter(operation -> !ShapeGrid.measurable(operation, shape))
                .forEach(operation -> spec.commandLine()
                        .getErr()
                        .println("left out: " + operation.label() + " of " + shape
                                + ", one value of each feature; training needs two")));
        List<String> chosenMemories = memories == null
                ? quick
                        ? List.of(OperationBenchmark.HEAP)
                        : List.of(OperationBenchmark.HEAP, OperationBenchmark.OFF_HEAP)
                : requireKnown("--memory", memories, List.of(OperationBenchmark.HEAP, OperationBenchmark.OFF_HEAP));
        List<Kind> kinds = chosenKinds();
        List<MeasuredBackend> measured = chosenBackends();
        sayWhatIsLeftOut(kinds, measured);
        return new Schedule(
                chosenOperations,
                kinds,
                chosenShapes,
                measured,
                chosenMemories,
                threads.stream().map(BenchCommand::threadCount).distinct().toList(),
                requireKnown("--peers", peers, BuiltPeer.NAMES),
                layer,
                firstCalls);
    }

    private List<Kind> chosenKinds() {
        Set<Kind> kinds = new LinkedHashSet<>();
        for (String what : fused) {
            types.forEach(type -> kinds.add(new Kind(Kind.type(type), Fusion.of(what))));
        }
        return List.copyOf(kinds);
    }

    /** What cannot be measured of the kinds, each once. */
    private void sayWhatIsLeftOut(List<Kind> kinds, List<MeasuredBackend> measured) {
        PrintWriter err = spec.commandLine().getErr();
        String notFloat32 = kinds.stream()
                .map(kind -> Kind.label(kind.type()))
                .filter(type -> !type.equals(Kind.label(Kind.PLAIN.type())))
                .distinct()
                .collect(Collectors.joining(", "));
        if (!notFloat32.isEmpty() && (!peers.isEmpty() || layer || firstCalls)) {
            err.println("left out: " + notFloat32 + " of peers, --layer and --first, which are measured with float32");
        }
        for (MeasuredBackend backend : measured) {
            String unable = kinds.stream()
                    .filter(kind -> !backend.does(kind))
                    .map(Kind::toString)
                    .collect(Collectors.joining(", "));
            if (!unable.isEmpty()) {
                err.println("left out: " + unable + " of " + backend.name() + ", which does not do them");
            }
        }
    }

    private List<MeasuredBackend> chosenBackends() {
        List<BatchNormBackend> all = Backends.all();
        if (backends != null) {
            backends.forEach(BackendArguments::requireBuilt);
            requireKnown(
                    "--backend",
                    backends,
                    all.stream().map(BatchNormBackend::name).toList());
        }
        if (backends == null && quick) {
            return all.stream()
                    .filter(backend -> backend.automatic().usable())
                    .limit(1)
                    .map(backend -> new MeasuredBackend(backend.name(), device(backend)))
                    .toList();
        }
        List<MeasuredBackend> chosen = new ArrayList<>();
        for (BatchNormBackend backend : all) {
            boolean usable = backend.availability().usable();
            if (backends == null ? usable : backends.contains(backend.name())) {
                if (!usable) {
                    throw new IllegalArgumentException(
                            "--backend: " + backend.name() + " cannot be used: " + backend.availability());
                }
                chosen.add(new MeasuredBackend(backend.name(), device(backend)));
            }
        }
        return chosen;
    }

    /** Lets the benchmarks find the device that was asked for, in this JVM and in theirs. */
    private void chooseDevice() {
        if (device == null) {
            return;
        }
        List<String> ids = Backends.all().stream()
                .filter(backend -> backends == null || backends.contains(backend.name()))
                .flatMap(backend -> backend.devices().stream())
                .map(DeviceInfo::id)
                .toList();
        if (!ids.contains(device)) {
            throw new IllegalArgumentException("--device: \"" + device + "\" given, "
                    + (ids.isEmpty()
                            ? "but no backend chosen here has devices; 'batchnorm devices' lists them"
                            : "must be one of " + String.join(", ", ids)));
        }
        System.setProperty(BackendOptions.DEVICE_PROPERTY, device);
    }

    /** The device that the backend will use: the one that the system property names, else its first usable one. */
    private static String device(BatchNormBackend backend) {
        Optional<String> asked = BackendOptions.fromSystemProperties().device();
        return backend.devices().stream()
                .filter(device -> asked.map(device.id()::equals)
                        .orElse(device.availability().usable()))
                .map(DeviceInfo::description)
                .findFirst()
                .orElse(MeasuredBackend.CPU);
    }

    private static Operation operation(String name) {
        Operation operation = Operation.of(name);
        if (!Operation.ofBatchNorm().contains(operation)) {
            throw new IllegalArgumentException(
                    "--operation: \"" + name + "\" given, must be one of " + Operation.ofBatchNorm());
        }
        return operation;
    }

    private static int threadCount(String given) {
        int processors = Runtime.getRuntime().availableProcessors();
        if (given.equals(ALL_CORES)) {
            return processors;
        }
        if (!given.matches("[1-9][0-9]{0,3}") || Integer.parseInt(given) > processors) {
            throw new IllegalArgumentException("--threads: \"" + given + "\" given, must be a number from 1 to "
                    + processors + ", this machine's processors, or all");
        }
        return Integer.parseInt(given);
    }

    private static List<String> requireKnown(String option, List<String> given, List<String> known) {
        for (String name : given) {
            if (!known.contains(name)) {
                throw new IllegalArgumentException(
                        option + ": \"" + name + "\" given, must be one of " + String.join(", ", known));
            }
        }
        return given;
    }

    private static String remaining(long start, int done, int all) {
        Duration left = Duration.ofNanos((System.nanoTime() - start) / done * (all - done));
        return left.toMinutes() + " min " + left.toSecondsPart() + " s left; ";
    }
}
