package org.batchnorm.bench.cli;

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
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.batchnorm.bench.jmh.device.DeviceBench;
import org.batchnorm.bench.jmh.device.DeviceModel;
import org.batchnorm.bench.jmh.device.DeviceTable;
import org.batchnorm.bench.jmh.device.DeviceTimer;
import org.batchnorm.bench.jmh.device.DeviceTimer.Facts;
import org.batchnorm.bench.jmh.results.Environment;
import org.batchnorm.bench.jmh.results.ResultsFile;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.conformance.CaseResult;
import org.batchnorm.conformance.ConformanceCase;
import org.batchnorm.conformance.ConformanceCheck;
import org.batchnorm.spi.BackendUnavailableException;
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
            "Checks a TornadoVM device and measures it: what it is, the conformance cases forced on it, then on each shape a copy kernel and every operation, "
                    + "with each version of its kernels where more than one can do it. Every result is checked against double precision before it is timed.",
            "",
            "version: rows or planes (two stages), on-chip (x read once). kernels ms: the device's own clock, data resident; below, each kernel by itself. "
                    + "GB/s: of the logical bytes (inference 2, forward 3, backward 5 tensors); of copy: their share of the copy kernel's. /model: kernels ms over "
                    + "those of the model, for a GPU that it knows. execute ms: wall clock "
                    + "without profiler, data resident; replayed ms: as a CUDA graph; transferred ms: data sent and read back with every execution. first ms: the "
                    + "first execution, with compilation.",
            "",
            "Stops when the time is up, or when it is interrupted; what was measured by then is in the results file."
        },
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  batchnorm check-gpu",
            "  batchnorm check-gpu --device 0:1 --minutes 3 --json gpu.jsonl",
            "  batchnorm check-gpu --shape 65536x1024,1048576x8",
            "  batchnorm check-gpu --model",
            "",
            "Exit codes: 0 all right; 1 a case or a measurement failed; 2 wrong usage."
        })
final class CheckGpuCommand implements Callable<Integer> {

    /**
     * What counts most comes first, should time not suffice: 256 MiB, a textbook layer, few features, features that fit
     * on chip, an image, the batch sweep.
     */
    static final List<String> GPU_SHAPES = List.of(
            "65536x1024",
            "60x100",
            "8388608x8",
            "256x262144",
            "64x256x64x64",
            "16x256",
            "64x256",
            "256x256",
            "1024x256",
            "4096x256",
            "16384x256",
            "65536x256",
            "64x2048x7x7",
            "8192x4096",
            "64x256x64x64:channels-last",
            "1024x1024",
            "32x64x56x56",
            "25165824x3");

    /** A CPU behind OpenCL is measured to see that all works, not for its numbers. */
    private static final List<String> CPU_SHAPES =
            List.of("60x100", "4096x256", "65536x8", "32x64x7x7", "32x64x14x14", "32x64x14x14:channels-last");

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
            description = "The results file, to which is added after each measurement. Default: ${DEFAULT-VALUE}.")
    private Path json = Path.of("check-gpu.jsonl");

    @Option(
            names = "--model",
            description = {
                "Only print what each kernel must take on several GPUs, reckoned from its code and their data. Needs no device, but",
                "TORNADOVM_HOME."
            })
    private boolean model;

    private long deadline;

    @Override
    public Integer call() throws IOException {
        if (!(minutes > 0 && minutes <= 24 * 60)) {
            throw new IllegalArgumentException(
                    "--minutes: " + minutes + " given, must be more than 0 and at most " + 24 * 60);
        }
        if (model) {
            return printModel();
        }
        deadline = System.nanoTime()
                + Duration.ofMillis(Math.round(minutes * 60_000)).toNanos();
        PrintWriter out = spec.commandLine().getOut();
        DeviceTimer timer = DeviceTimer.open(Optional.ofNullable(device));
        List<BenchShape> chosen = shapes(timer.facts());
        ResultsFile.append(
                json, List.of()); // Whether it can be written is known before, not after the first measurement.
        print(out, timer.facts());
        boolean passed = verify(out, timer.facts());
        boolean measured = measure(out, timer, chosen);
        return passed && measured ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    private int printModel() {
        DeviceModel known = DeviceModel.find()
                .orElseThrow(() -> new BackendUnavailableException(
                        "the model needs the kernels, which are not in this build; " + BackendArguments.HOW_TO_BUILD));
        spec.commandLine().getOut().print(known.report());
        spec.commandLine().getOut().flush();
        return ExitCode.OK;
    }

    private List<BenchShape> shapes(Facts facts) {
        List<String> names = shapes != null ? shapes : facts.cpu() ? CPU_SHAPES : GPU_SHAPES;
        return names.stream().map(BenchShape::parse).toList();
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
                facts.cpu() ? "; a CPU: small shapes, and no numbers to judge a GPU by" : "");
        out.flush();
    }

    /** Runs the conformance cases; whether none failed. */
    private boolean verify(PrintWriter out, Facts facts) throws IOException {
        List<Path> files = caseFiles();
        if (files.isEmpty()) {
            out.println("No conformance cases here; --cases DIR names some.");
            out.println();
            return true;
        }
        List<CaseResult> results = new ArrayList<>();
        try (Progress progress = Progress.start(spec.commandLine().getErr(), "conformance", files.size())) {
            for (Path file : files) {
                if (System.nanoTime() > deadline) {
                    break;
                }
                results.add(run(file, facts));
                progress.stepTo(results.size(), results.getLast().caseName());
            }
        }
        List<CaseResult> failed = results.stream().filter(CaseResult::failed).toList();
        List<CaseResult> refused = results.stream().filter(CaseResult::refused).toList();
        for (CaseResult result : refused) {
            out.println("refused  " + result.caseName() + " " + result.failure());
        }
        for (CaseResult result : failed) {
            out.println("FAIL  " + result.caseName() + " " + result.failure());
            result.quantities().stream()
                    .filter(quantity -> !quantity.pass())
                    .forEach(quantity -> out.println("      " + quantity));
        }
        out.println("Conformance: " + (results.size() - failed.size() - refused.size()) + " of " + files.size()
                + " cases pass, forced on this device"
                + (refused.isEmpty() ? "" : "; " + refused.size() + " are refused for their element type")
                + (results.size() < files.size() ? "; time was up after " + results.size() + "." : "."));
        out.println();
        out.flush();
        return failed.isEmpty();
    }

    private static CaseResult run(Path file, Facts facts) throws IOException {
        ConformanceCase conformanceCase = ConformanceCase.read(file);
        try {
            return ConformanceCheck.run(
                    conformanceCase, builder -> builder.backend(BACKEND).device(facts.id()));
        } catch (
                BackendUnavailableException
                        e) { // One kernel that does not compile is no reason to leave the others unknown.
            return new CaseResult(conformanceCase.name(), BACKEND, List.of(), ErrorMessages.message(e));
        }
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

    /** Measures the shapes; whether nothing failed. */
    private boolean measure(PrintWriter out, DeviceTimer timer, List<BenchShape> chosen) {
        Thread whenStopped = new Thread(() -> {
            out.println();
            out.println("Stopped; what was measured is in " + json + ".");
            out.flush();
        });
        Runtime.getRuntime().addShutdownHook(whenStopped);
        DeviceTable table = new DeviceTable(out, timer.facts(), DeviceModel.find());
        DeviceBench bench = new DeviceBench(
                timer,
                table,
                Environment.currentRun(Checkout.benchmarks()),
                rows -> ResultsFile.append(json, rows),
                System::nanoTime,
                deadline);
        List<BenchShape> left = chosen.stream().dropWhile(bench::measure).toList();
        Runtime.getRuntime().removeShutdownHook(whenStopped);
        table.summary();
        out.println();
        if (!left.isEmpty()) {
            out.println("Time was up; not or not wholly measured: "
                    + left.stream().map(BenchShape::toString).collect(Collectors.joining(", ")));
        }
        out.println("The results are in " + json + ".");
        out.flush();
        return bench.failures() == 0;
    }
}
