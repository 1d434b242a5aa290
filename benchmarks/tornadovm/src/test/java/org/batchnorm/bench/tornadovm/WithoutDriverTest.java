package org.batchnorm.bench.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.batchnorm.bench.cli.Main;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the commands for a device say on a machine without the SDK's driver. */
class WithoutDriverTest {

    @TempDir
    Path empty;

    @ParameterizedTest
    @ValueSource(strings = {"check-gpu", "train --resident"})
    void theCommandSaysWhatToInstall(String command) throws IOException, InterruptedException {
        assertThat(run(command, 1))
                .contains("no TornadoVM device")
                .containsPattern("install (the OpenCL|NVIDIA's) driver")
                .doesNotContain("\tat ");
    }

    /** The native library of TornadoVM writes its errors to standard output. */
    @Test
    void theTableOfDevicesIsInOnePiece() throws IOException, InterruptedException {
        String output = run("devices", 0);
        assertThat(output.lines().dropWhile(line -> !line.startsWith("BACKEND")))
                .allMatch(line -> line.isEmpty()
                        || line.matches(
                                "(BACKEND|tornadovm|vector|scalar) .*|  +→ install .*|  +.*|The library's own .*"))
                .anyMatch(line -> line.matches("tornadovm +no +.*"));
    }

    private String run(String command, int exitValue) throws IOException, InterruptedException {
        List<String> java = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "@" + System.getenv("TORNADOVM_HOME") + "/tornado-argfile",
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName()));
        java.addAll(List.of(command.split(" ")));
        Path output = empty.resolve("output");
        ProcessBuilder builder = new ProcessBuilder(java)
                .directory(empty.toFile())
                .redirectErrorStream(true)
                .redirectOutput(output.toFile());
        Path vendors = Files.createDirectory(empty.resolve("vendors"));
        builder.environment().put("OCL_ICD_VENDORS", vendors.toString());
        // The same for CUDA: a driver that cannot be loaded.
        Path libraries = Files.createDirectory(empty.resolve("libraries"));
        Files.createFile(libraries.resolve("libcuda.so.1"));
        builder.environment().put("LD_LIBRARY_PATH", libraries.toString());
        Process process = builder.start();
        try {
            assertThat(process.waitFor(2, TimeUnit.MINUTES)).as("it has ended").isTrue();
        } finally {
            process.destroyForcibly();
        }
        String said = Files.readString(output);
        assertThat(process.exitValue()).as(said).isEqualTo(exitValue);
        return said;
    }
}
