package org.batchnorm.bench;

import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import org.batchnorm.spi.Availability;
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
            "What cannot be used is no error: the exit code is 0."
        },
        mixinStandardHelpOptions = true)
final class DevicesCommand implements Callable<Integer> {
    private static final String TORNADOVM = "tornadovm";

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        List<BatchNormBackend> backends = Backends.all();
        line(out, "BACKEND", "DEVICE", "USABLE", "WHAT");
        for (BatchNormBackend backend : backends) {
            line(out, backend.name(), "", backend.availability());
            for (DeviceInfo device : backend.devices()) {
                line(out, "", device.id(), device.availability().usable() ? "yes" : "no", device.description());
                explain(out, device.availability());
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
        out.flush();
        return ExitCode.OK;
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
        out.println(String.format("%-10s %-8s %-7s %s", backend, device, usable, what)
                .stripTrailing());
    }
}
