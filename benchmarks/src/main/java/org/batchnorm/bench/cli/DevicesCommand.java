package org.batchnorm.bench.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.batchnorm.BatchNorm;
import org.batchnorm.bench.output.Column;
import org.batchnorm.bench.output.Columns;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Availability;
import org.batchnorm.spi.BackendUnavailableException;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormBackend;
import org.batchnorm.spi.DeviceInfo;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code batchnorm devices}. */
@Command(
        name = "devices",
        description = {
            "Lists every backend and its devices: usable here, or why not and what would help.",
            "With --verbose each device compiles and runs a kernel, too. What cannot be used is no error: the exit code is 0."
        },
        mixinStandardHelpOptions = true)
final class DevicesCommand implements Callable<Integer> {
    private static final Columns<Line> TABLE = Columns.of(
            Column.<Line>words("BACKEND", Line::backend).wide(10),
            Column.<Line>words("DEVICE", Line::device).wide(8),
            Column.<Line>words("USABLE", Line::usable).wide(7),
            Column.words("WHAT", Line::what));

    private static final String TORNADOVM = "tornadovm";

    @Spec
    private CommandSpec spec;

    /**
     * Writes the whole table before it prints any of it: native libraries have lines of their own for standard output
     * while devices are looked for and kernels compiled.
     */
    @Override
    public Integer call() {
        StringWriter table = new StringWriter();
        writeTable(new PrintWriter(table));
        PrintWriter out = spec.commandLine().getOut();
        out.print(table);
        out.flush();
        return ExitCode.OK;
    }

    private void writeTable(PrintWriter out) {
        List<BatchNormBackend> backends = Backends.all();
        boolean verbose = ErrorMessages.isVerbose(spec.commandLine());
        out.println(TABLE.plainHeader());
        for (BatchNormBackend backend : backends) {
            line(out, backend.name(), "", backend.availability());
            for (DeviceInfo device : backend.devices()) {
                line(out, "", device.id(), device.availability().usable() ? "yes" : "no", device.description());
                explain(out, device.availability());
                if (verbose && device.availability().usable()) {
                    line(out, "", "", "", tryOut(backend.name(), device.id()));
                }
            }
        }
        if (backends.stream().noneMatch(backend -> backend.name().equals(TORNADOVM))) {
            line(out, TORNADOVM, "", Availability.unusable("not part of this build", BackendArguments.HOW_TO_BUILD));
        }
        out.println();
        out.println(backends.stream()
                .filter(backend -> backend.automatic().usable())
                .findFirst()
                .map(backend -> "The library's own choice (auto) is " + backend.name() + ".")
                .orElse("The library has nothing to choose from (auto)."));
    }

    /** Normalizes two values: whether kernels compile is known by compiling one. */
    private static String tryOut(String backend, String device) {
        float[] y = new float[2];
        long start = System.nanoTime();
        try (BatchNorm layer =
                BatchNorm.builder(1).backend(backend).device(device).build()) {
            layer.forward(new float[] {-1, 1}, y, BatchShape.of(2, 1));
        } catch (BackendUnavailableException e) {
            return "→ tried: " + ErrorMessages.message(e);
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        boolean right = Math.abs(y[0] + 1) < 1e-4 && Math.abs(y[1] - 1) < 1e-4;
        return right
                ? String.format(Locale.ROOT, "→ tried: its kernels compile and run (%.1f s)", seconds)
                : "→ tried: WRONG, -1 and 1 were normalized to " + y[0] + " and " + y[1];
    }

    private static void line(PrintWriter out, String backend, String device, Availability availability) {
        line(out, backend, device, availability.usable() ? "yes" : "no", availability.reason());
        if (!availability.remedy().isEmpty()) {
            line(out, "", "", "", "→ " + availability.remedy());
        }
    }

    private static void explain(PrintWriter out, Availability availability) {
        if (!availability.usable()) {
            line(out, "", "", "", availability.reason());
            line(out, "", "", "", "→ " + availability.remedy());
        }
    }

    private static void line(PrintWriter out, String backend, String device, String usable, String what) {
        out.println(TABLE.plain(new Line(backend, device, usable, what)));
    }

    private record Line(String backend, String device, String usable, String what) {}
}
