package org.batchnorm.bench.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.concurrent.Callable;
import org.batchnorm.bench.output.Column;
import org.batchnorm.bench.output.Columns;
import org.batchnorm.conformance.CaseResult;
import org.batchnorm.conformance.ConformanceCase;
import org.batchnorm.conformance.ConformanceCheck;
import org.batchnorm.conformance.QuantityResult;
import org.batchnorm.spi.Backends;
import org.batchnorm.state.ReplacedFile;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code batchnorm verify}. */
@Command(
        name = "verify",
        description = {
            "Runs conformance cases on a backend and compares every quantity with the exact result, which PyTorch computed in double precision.",
            "",
            "A quantity passes if its largest absolute error is at most max(8·u·M, min(PyTorch's float32 error, 100·u·M)), with u = 2^-24. "
                    + "M is the largest expected magnitude, or that of what float32 has to round on the way, where this is larger: "
                    + "where terms cancel, the result is smaller than they are. On the way, with g = dy - mean(dy), are "
                    + "|weight·rstd·g| + 2^-10·|weight·rstd·dy| for dx, the norm of g·xhat + 2^-10 of that of dy·xhat for dweight, "
                    + "the norm of dy for dbias, and std/sqrt(m) of m values for mean.",
            "",
            "A NaN or infinity must be where one is expected, and only there; infinity is expected where float32 cannot hold the value. "
                    + "A case that cannot be read has failed, and the others go on. One whose element type (F16, BF16, F64) the backend "
                    + "does not take is refused, with the reason, and is no failure."
        },
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  batchnorm verify cases/*.safetensors",
            "  batchnorm verify --backend scalar --json result.jsonl cases/*.safetensors",
            "",
            "Exit codes: 0 no case fails; 1 a mismatch, or a case that cannot be read;",
            "2 wrong usage."
        })
final class VerifyCommand implements Callable<Integer> {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String INDENT = "      ";

    private static final Columns<QuantityResult> ERRORS = Columns.of(
            Column.<QuantityResult>words(
                            "largest error in", quantity -> quantity.quantity().tensorName())
                    .wide(20),
            Column.<QuantityResult>numbers("ours", quantity -> number(quantity.maxAbs()))
                    .wide(12),
            Column.<QuantityResult>numbers(
                            "PyTorch's",
                            quantity -> quantity.pytorchMaxAbs().isPresent()
                                    ? number(quantity.pytorchMaxAbs().getAsDouble())
                                    : "-")
                    .wide(12),
            Column.<QuantityResult>numbers("bound", quantity -> number(quantity.bound()))
                    .wide(12),
            // Apart from the numbers.
            Column.words("", quantity -> quantity.pass() ? " pass" : " FAIL: " + quantity.message()));

    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "CASE", arity = "1..*", description = "Conformance files (safetensors).")
    private List<Path> cases = new ArrayList<>();

    @Mixin
    private BackendArguments backend = new BackendArguments();

    @Option(
            names = "--json",
            paramLabel = "FILE",
            description = {
                "Also write the results to a file of JSON lines, one object a case:",
                "{\"case\",\"backend\",\"pass\",\"refused\",\"errors\":{\"y\":{\"maxAbs\",\"pytorchMaxAbs\",\"bound\",\"pass\"},…},\"message\"};",
                "an error that is no finite number is null."
            })
    private @Nullable Path json;

    @Override
    public Integer call() throws IOException {
        if (json != null) {
            requireWritable(json);
        }
        PrintWriter out = spec.commandLine().getOut();
        String backendName = openOnce();
        List<CaseResult> results = new ArrayList<>();
        for (Path file : cases) {
            CaseResult result = run(file, backendName);
            results.add(result);
            print(out, result);
            out.flush();
        }
        if (json != null) {
            write(json, results);
        }
        out.println(summary(results));
        BackendArguments.reportPreparation(out);
        out.flush();
        return results.stream().anyMatch(CaseResult::failed) ? ExitCode.SOFTWARE : ExitCode.OK;
    }

    /** How many cases pass or fail, of those that the backend takes. */
    static String summary(List<CaseResult> results) {
        long failed = results.stream().filter(CaseResult::failed).count();
        long refused = results.stream().filter(CaseResult::refused).count();
        long taken = results.size() - refused;
        String ofRefused = refused == 0 ? "" : " " + refused + " refused for their element type.";
        return (failed == 0 ? "All " + taken + " cases pass." : failed + " of " + taken + " cases fail.") + ofRefused;
    }

    /** Finds out, before any case, whether the backend can be used at all, and its name. */
    private String openOnce() {
        Backends.OpenBackend opened = Backends.open(backend.backend(), backend.options());
        opened.operations().close();
        return opened.name();
    }

    private CaseResult run(Path file, String backendName) {
        try {
            CaseResult result = ConformanceCheck.run(ConformanceCase.read(file), backend::choose);
            return result.backend().isEmpty()
                    ? new CaseResult(result.caseName(), backendName, List.of(), result.failure(), result.refused())
                    : result;
        } catch (IOException e) {
            String name = String.valueOf(file.getFileName()).replaceFirst("\\.safetensors$", "");
            return new CaseResult(name, backendName, List.of(), ErrorMessages.message(e));
        }
    }

    static void print(PrintWriter out, CaseResult result) {
        String verdict = result.refused() ? "refused  " : result.pass() ? "pass  " : "FAIL  ";
        out.println(verdict + result.caseName() + " (" + result.backend() + ")");
        if (!result.failure().isEmpty()) {
            out.println(INDENT + result.failure());
        } else {
            out.println(INDENT + ERRORS.plainHeader());
            result.quantities().forEach(quantity -> out.println(INDENT + ERRORS.plain(quantity)));
        }
        out.println();
    }

    private static String number(double value) {
        return Double.isFinite(value) && value != 0 ? String.format(Locale.ROOT, "%.2e", value) : shortest(value);
    }

    private static String shortest(double value) {
        return value == 0 ? "0" : Double.toString(value);
    }

    private static void requireWritable(Path file) throws IOException {
        Path parent = file.toAbsolutePath().getParent();
        if (Files.isDirectory(file) || parent == null || !Files.isWritable(parent)) {
            throw new IOException("--json: " + file
                    + " cannot be written; name a file in a directory that exists and may be written to");
        }
    }

    private static void write(Path file, List<CaseResult> results) throws IOException {
        ReplacedFile.write(file, out -> {
            for (CaseResult result : results) {
                out.write(JSON.writeValueAsBytes(describe(result)));
                out.write("\n".getBytes(StandardCharsets.UTF_8));
            }
        });
    }

    private static ObjectNode describe(CaseResult result) {
        ObjectNode object = JSON.createObjectNode();
        object.put("case", result.caseName());
        object.put("backend", result.backend());
        object.put("pass", result.pass());
        object.put("refused", result.refused());
        ObjectNode errors = object.putObject("errors");
        for (QuantityResult quantity : result.quantities()) {
            ObjectNode error = errors.putObject(quantity.quantity().tensorName());
            putNumber(error, "maxAbs", OptionalDouble.of(quantity.maxAbs()));
            putNumber(error, "pytorchMaxAbs", quantity.pytorchMaxAbs());
            putNumber(error, "bound", OptionalDouble.of(quantity.bound()));
            error.put("pass", quantity.pass());
        }
        object.put("message", result.message());
        return object;
    }

    /** JSON has no NaN and no infinity: what is no finite number is null. */
    private static void putNumber(ObjectNode object, String name, OptionalDouble value) {
        if (value.isPresent() && Double.isFinite(value.getAsDouble())) {
            object.put(name, value.getAsDouble());
        } else {
            object.putNull(name);
        }
    }
}
