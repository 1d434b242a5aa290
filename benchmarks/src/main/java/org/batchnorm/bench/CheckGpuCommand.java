package org.batchnorm.bench;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.batchnorm.bench.device.DeviceTimer;
import org.batchnorm.bench.device.DeviceTimer.Facts;
import org.batchnorm.bench.device.DeviceTimer.Timing;
import org.batchnorm.bench.device.DeviceTimer.Way;
import org.batchnorm.bench.results.Environment;
import org.batchnorm.bench.results.Libraries;
import org.batchnorm.bench.results.Measurement;
import org.batchnorm.bench.results.Measurement.Point;
import org.batchnorm.bench.results.Measurement.Result;
import org.batchnorm.bench.results.ResultsFile;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;
import org.batchnorm.conformance.CaseResult;
import org.batchnorm.conformance.ConformanceCase;
import org.batchnorm.conformance.ConformanceCheck;
import org.batchnorm.conformance.QuantityResult;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code batchnorm check-gpu}. */
@Command(
        name = "check-gpu",
        description = {
            "Checks a TornadoVM device and measures it: what it is, the conformance cases forced on it, then every operation's kernel time (the device's own "
                    + "clock), time of execute() with the data resident and with the data sent and read back, and first call (with compilation).",
            "",
            "GB/s are of the logical bytes (inference 2, forward 3, backward 5 tensors), 'of copy' their share of what a copy kernel of the same run moves. Below "
                    + "each operation stand its kernels. Stops when the time is up; what was measured by then is kept."
        },
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  batchnorm check-gpu",
            "  batchnorm check-gpu --device 0:1 --minutes 3 --json gpu.jsonl",
            "  batchnorm check-gpu --shape 65536x1024,1048576x8",
            "",
            "Exit codes: 0 all right; 1 a case or a measurement failed; 2 wrong usage."
        })
final class CheckGpuCommand implements Callable<Integer> {

    /** 256 MiB and more where it counts; then few features, many features, and convolutions in both layouts; last batch sizes of the pictures. */
    private static final List<String> GPU_SHAPES = List.of(
            "65536x1024",
            "60x100",
            "8388608x8",
            "1024x65536",
            "32x64x56x56",
            "64x256x64x64",
            "64x256x64x64:channels-last",
            "8192x4096",
            "1024x1024",
            "65536x256",
            "16384x256",
            "1024x256",
            "64x256");

    /** A CPU behind OpenCL is measured to see that all works, not for its numbers. */
    private static final List<String> CPU_SHAPES = List.of("4096x256", "60x100", "65536x8", "32x64x14x14");

    private static final String BACKEND = "tornadovm";

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Option(
            names = "--device",
            paramLabel = "ID",
            description = "The device, as 'batchnorm devices' lists it, for example 0:0. Default: the first GPU.")
    private @Nullable String device;

    @Option(
            names = "--minutes",
            paramLabel = "N",
            defaultValue = "8",
            description = "When to stop. Default: ${DEFAULT-VALUE}.")
    private double minutes;

    @Option(
            names = "--shape",
            split = ",",
            paramLabel = "SHAPE",
            description = "NxC, NxCxL or NxCxHxW, with :channels-last behind it for that layout. Default: a choice.")
    private @Nullable List<String> shapes;

    @Option(
            names = "--cases",
            paramLabel = "DIR",
            description = "Conformance files. Default: those that come with the program.")
    private @Nullable Path cases;

    @Option(
            names = "--json",
            paramLabel = "FILE",
            defaultValue = "check-gpu.jsonl",
            description = "The results file, to which is added after each shape. Default: ${DEFAULT-VALUE}.")
    private Path json = Path.of("check-gpu.jsonl");

    private long deadline;
    private int failures;

    @Override
    public Integer call() throws IOException {
        if (!(minutes > 0)) {
            throw new IllegalArgumentException("--minutes: " + minutes + " given, must be more than 0");
        }
        deadline = System.nanoTime()
                + Duration.ofMillis(Math.round(minutes * 60_000)).toNanos();
        PrintWriter out = spec.commandLine().getOut();
        DeviceTimer timer = DeviceTimer.open(Optional.ofNullable(device));
        Facts facts = timer.facts();
        print(out, facts);
        verify(out, facts);
        measure(out, timer, facts);
        return failures == 0 ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    private static void print(PrintWriter out, Facts facts) {
        out.printf(
                Locale.ROOT,
                "Device %s: %s%n  backend %s, driver %s%n  %.1f GiB, %d compute units, work-groups of up to %d, %d KiB local memory%s%n%n",
                facts.id(),
                facts.name(),
                facts.backend(),
                facts.driver(),
                facts.memoryBytes() / (double) (1L << 30),
                facts.computeUnits(),
                facts.maxWorkGroup(),
                facts.localMemoryBytes() >> 10,
                facts.cpu() ? "; a CPU: small shapes" : "");
        out.flush();
    }

    private void verify(PrintWriter out, Facts facts) throws IOException {
        List<Path> files = caseFiles();
        if (files.isEmpty()) {
            out.println("No conformance cases here; --cases DIR names some.");
        }
        int passed = 0;
        for (Path file : files) {
            if (timeIsUp()) {
                out.println("Time is up after " + passed + " of " + files.size() + " conformance cases.");
                break;
            }
            CaseResult result = ConformanceCheck.run(
                    ConformanceCase.read(file),
                    builder -> builder.backend(BACKEND).device(facts.id()));
            if (result.pass()) {
                passed++;
            } else {
                failures++;
                out.println("FAIL  " + result.caseName() + " " + result.failure());
                result.quantities().stream()
                        .filter(quantity -> !quantity.pass())
                        .map(QuantityResult::toString)
                        .forEach(quantity -> out.println("      " + quantity));
                out.flush();
            }
        }
        out.println("Conformance: " + passed + " of " + files.size() + " cases pass on this device.");
        out.println();
        out.flush();
    }

    private List<Path> caseFiles() throws IOException {
        Path folder = cases;
        if (folder == null) {
            // Beside the jars of a packaged copy, or among the library's tests of a checkout.
            Path home = Checkout.benchmarks();
            Path packaged = home.resolve("conformance");
            folder = Files.isDirectory(packaged)
                    ? packaged
                    : home.resolveSibling(Path.of("src", "test", "resources", "org", "batchnorm", "conformance"));
            if (!Files.isDirectory(folder)) {
                return List.of();
            }
        }
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.toString().endsWith(".safetensors"))
                    .sorted()
                    .toList();
        }
    }

    private void measure(PrintWriter out, DeviceTimer timer, Facts facts) {
        Measurement.Run run = Environment.currentRun(Checkout.benchmarks());
        out.printf(
                "%-28s %-10s %10s %8s %8s %11s %11s %11s %9s%n",
                "shape", "", "kernels ms", "GB/s", "of copy", "execute ms", "replayed ms", "transfer ms", "first ms");
        for (String text : shapes != null ? shapes : facts.cpu() ? CPU_SHAPES : GPU_SHAPES) {
            BenchShape shape = BenchShape.parse(text);
            double copy = Double.NaN;
            for (Operation operation :
                    List.of(Operation.COPY, Operation.INFERENCE, Operation.FORWARD, Operation.BACKWARD)) {
                if (timeIsUp()) {
                    out.println("Time is up; what was measured is in " + json + ".");
                    out.flush();
                    return;
                }
                try {
                    List<Measurement> rows = new ArrayList<>();
                    Timing resident = timer.time(operation, shape, Way.RESIDENT, plan(facts));
                    add(rows, run, facts, operation, shape, Way.RESIDENT, resident, copy);
                    if (operation == Operation.COPY) {
                        copy = gigabytesPerSecond(operation, shape, kernelMillis(resident));
                    }
                    Optional<Timing> replayed = replayed(timer, operation, shape, facts);
                    replayed.ifPresent(
                            timing -> add(rows, run, facts, operation, shape, Way.REPLAYED, timing, Double.NaN));
                    Optional<Timing> transferred = operation == Operation.COPY
                            ? Optional.empty()
                            : Optional.of(timer.time(operation, shape, Way.TRANSFERRED, plan(facts)));
                    transferred.ifPresent(
                            timing -> add(rows, run, facts, operation, shape, Way.TRANSFERRED, timing, Double.NaN));
                    ResultsFile.append(json, rows);
                    print(out, operation, shape, resident, replayed, transferred, copy);
                } catch (IllegalStateException e) {
                    failures++;
                    out.println(shape + " " + operation + " failed: " + ErrorMessages.message(e));
                }
                out.flush();
            }
        }
        out.println();
        out.println("The results are in " + json + ".");
        out.flush();
    }

    private static Optional<Timing> replayed(DeviceTimer timer, Operation operation, BenchShape shape, Facts facts) {
        try {
            return Optional.of(timer.time(operation, shape, Way.REPLAYED, plan(facts)));
        } catch (UnsupportedOperationException e) {
            return Optional.empty();
        }
    }

    private static Samples.Plan plan(Facts facts) {
        return facts.cpu() ? new Samples.Plan(50, 5, 5) : new Samples.Plan(200, 20, 9);
    }

    private static void print(
            PrintWriter out,
            Operation operation,
            BenchShape shape,
            Timing resident,
            Optional<Timing> replayed,
            Optional<Timing> transferred,
            double copy) {
        double kernel = kernelMillis(resident);
        double bandwidth = gigabytesPerSecond(operation, shape, kernel);
        out.printf(
                Locale.ROOT,
                "%-28s %-10s %10.4f %8.1f %7.1f%% %11.4f %11s %11s %9.0f%n",
                shape,
                operation,
                kernel,
                bandwidth,
                100 * bandwidth / copy,
                resident.wall().medianMillis(),
                millis(replayed),
                millis(transferred),
                resident.firstMillis());
        if (resident.kernelMillis().size() > 1) {
            resident.kernelMillis()
                    .forEach((task, millis) -> out.printf(Locale.ROOT, "    %-35s %10.4f%n", task, millis));
        }
    }

    private static String millis(Optional<Timing> timing) {
        return timing.map(present ->
                        String.format(Locale.ROOT, "%.4f", present.wall().medianMillis()))
                .orElse("-");
    }

    private static double kernelMillis(Timing timing) {
        return timing.kernel().map(Samples::medianMillis).orElse(Double.NaN);
    }

    private static double gigabytesPerSecond(Operation operation, BenchShape shape, double millis) {
        return operation.logicalBytes(shape) / millis / 1e6;
    }

    private static void add(
            List<Measurement> rows,
            Measurement.Run run,
            Facts facts,
            Operation operation,
            BenchShape shape,
            Way way,
            Timing timing,
            double copy) {
        String library = operation == Operation.COPY ? Libraries.JAVA : Libraries.OURS;
        String variant =
                BACKEND + "-" + facts.backend().toLowerCase(Locale.ROOT) + (way == Way.REPLAYED ? "-replayed" : "");
        boolean resident = way != Way.TRANSFERRED;
        Point wall = new Point(
                operation, shape, "device", library, variant, facts.name(), 0, resident, "wall", "warm", "steady");
        rows.add(row(wall, run, timing.wall(), facts, Double.NaN));
        Point first = new Point(
                operation, shape, "device", library, variant, facts.name(), 0, resident, "wall", "cold", "first");
        rows.add(row(first, run, Samples.of(new double[] {timing.firstMillis() * 1e6}), facts, Double.NaN));
        timing.kernel().ifPresent(samples -> {
            Point kernel = new Point(
                    operation,
                    shape,
                    "device",
                    library,
                    variant,
                    facts.name(),
                    0,
                    resident,
                    "kernel",
                    "warm",
                    "steady");
            rows.add(row(kernel, run, samples, facts, resident ? copy : Double.NaN));
        });
    }

    private static Measurement row(Point point, Measurement.Run run, Samples samples, Facts facts, double copy) {
        Result result = Result.of(point, samples).withDetail(facts.backend() + ", " + facts.driver());
        return new Measurement(
                point, run, Double.isNaN(copy) ? result : result.withCopyShare(result.gigabytesPerSecond() / copy));
    }

    private boolean timeIsUp() {
        return System.nanoTime() > deadline;
    }
}
