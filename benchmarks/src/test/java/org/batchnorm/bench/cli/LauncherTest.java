package org.batchnorm.bench.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** What {@code scripts/batchnorm} itself says, in a checkout where nothing is built. */
@DisabledOnOs(OS.WINDOWS)
class LauncherTest {
    @TempDir
    private Path checkout;

    /** Maven sets colours back at its end even where it shows none; without a terminal that stood before the output. */
    @Test
    void whatMavenSaysHasNoColours() throws Exception {
        Path scripts = Files.createDirectory(checkout.resolve("scripts"));
        Path launcher = executable(scripts.resolve("batchnorm"), Files.readString(ROOT.resolve("scripts/batchnorm")));
        Path bin = Files.createDirectory(checkout.resolve("bin"));
        executable(bin.resolve("mvn"), """
                #!/bin/sh
                printf '\\033[1;31m[ERROR]\\033[m no network\\n\\033[0m\\033[0m'
                printf '\\033[0m' >&2
                exit 1
                """);
        ProcessBuilder builder = new ProcessBuilder(launcher.toString(), "devices");
        builder.environment().put("PATH", bin + File.pathSeparator + System.getenv("PATH"));
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().remove("TORNADOVM_HOME");
        File out = checkout.resolve("out").toFile();
        File err = checkout.resolve("err").toFile();
        Process process = builder.redirectOutput(out).redirectError(err).start();
        assertThat(process.waitFor()).isEqualTo(1);
        assertThat(out).isEmpty();
        assertThat(Files.readString(err.toPath(), StandardCharsets.UTF_8))
                .contains("batchnorm: building", "[ERROR] no network", "batchnorm: the build failed")
                .doesNotContain("\033");
    }

    /** mpirun starts as many launchers as there are ranks. */
    @Test
    @EnabledOnOs(value = OS.LINUX, disabledReason = "flock is Linux's")
    void ofSeveralLaunchersAtOnceOneBuilds() throws Exception {
        Path scripts = Files.createDirectory(checkout.resolve("scripts"));
        Path launcher = executable(scripts.resolve("batchnorm"), Files.readString(ROOT.resolve("scripts/batchnorm")));
        Path bin = Files.createDirectory(checkout.resolve("bin"));
        Path jars = checkout.resolve("benchmarks/target");
        Path calls = checkout.resolve("calls");
        executable(bin.resolve("mvn"), """
                #!/bin/sh
                echo built >> '%s'
                sleep 0.5
                mkdir -p '%s'
                touch '%s/tornado-batchnorm-benchmarks.jar'
                """.formatted(calls, jars, jars));
        ProcessBuilder builder = new ProcessBuilder(launcher.toString(), "devices");
        builder.environment().put("PATH", bin + File.pathSeparator + System.getenv("PATH"));
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().remove("TORNADOVM_HOME");
        builder.redirectErrorStream(true).redirectOutput(checkout.resolve("out").toFile());
        List<Process> launchers = List.of(builder.start(), builder.start(), builder.start());
        for (Process process : launchers) {
            assertThat(process.waitFor()).as("the jar of this build is empty").isEqualTo(1);
        }
        assertThat(Files.readAllLines(calls)).containsExactly("built");
    }

    private static final Path ROOT = root();

    private static Path executable(Path file, String content) throws IOException {
        Files.writeString(file, content);
        return Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwx------"));
    }

    /** The project's folder: tests run in that of their module. */
    private static Path root() {
        Path folder = Path.of("").toAbsolutePath();
        while (!Files.isRegularFile(folder.resolve("scripts/batchnorm"))) {
            folder = folder.getParent();
        }
        return folder;
    }
}
