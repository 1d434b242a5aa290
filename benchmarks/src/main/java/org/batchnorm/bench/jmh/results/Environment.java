package org.batchnorm.bench.jmh.results;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.concurrent.TimeUnit;

/** Where a run takes place: what its rows say about the machine, the JDK and the project's commit. */
public final class Environment {
    private static final Path CPU_INFO = Path.of("/proc/cpuinfo");

    private static final String PACKAGED_COMMIT = "commit";

    private Environment() {}

    /**
     * The run that begins now.
     *
     * @param checkout a folder of the project's checkout, whose commit is recorded, or a packaged copy, whose file
     *     {@code commit} tells that; without either the commit is the jar's version
     */
    public static Measurement.Run currentRun(Path checkout) {
        String date = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
        String commit = commit(checkout);
        return new Measurement.Run(
                date.replaceAll("[-:]", "") + "-" + commit,
                date,
                commit,
                System.getProperty("java.vendor.version", System.getProperty("java.vendor")) + " " + Runtime.version(),
                machine(),
                Runtime.getRuntime().availableProcessors(),
                System.getProperty("os.name") + " " + System.getProperty("os.version"));
    }

    private static String commit(Path checkout) {
        // Whatever is unusual here (no git, no checkout) is no reason not to measure.
        try {
            Path packaged = checkout.resolve(PACKAGED_COMMIT);
            if (Files.isReadable(packaged)) {
                // A packaged copy may lie in a checkout of something else.
                return Files.readString(packaged).strip();
            }
            Process git = new ProcessBuilder("git", "describe", "--always", "--dirty", "--exclude=*")
                    .directory(checkout.toFile())
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            String commit =
                    new String(git.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8).strip();
            if (git.waitFor(10, TimeUnit.SECONDS) && git.exitValue() == 0 && !commit.isEmpty()) {
                return commit;
            }
        } catch (IOException e) {
            return version();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return version();
    }

    private static String version() {
        String version = Environment.class.getPackage().getImplementationVersion();
        return version == null ? "unknown" : version;
    }

    /** The CPU's model; virtual machines often tell no more than its family. */
    private static String machine() {
        try {
            if (Files.isReadable(CPU_INFO)) {
                String family = cpuInfo("cpu family");
                String model = cpuInfo("model");
                return cpuInfo("model name")
                        + (family.isEmpty() ? "" : " (family " + family + ", model " + model + ")");
            }
        } catch (IOException e) {
            return System.getProperty("os.arch");
        }
        return System.getProperty("os.arch");
    }

    private static String cpuInfo(String key) throws IOException {
        try (var lines = Files.lines(CPU_INFO)) {
            return lines.filter(line -> line.matches(key + "\\s*:.*"))
                    .map(line -> line.substring(line.indexOf(':') + 1).strip())
                    .findFirst()
                    .orElse("");
        }
    }
}
