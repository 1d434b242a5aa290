package org.batchnorm.bench.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.batchnorm.bench.Main;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the commands for a device say on a machine whose OpenCL has no driver. */
class WithoutDriverTest {

    @TempDir
    Path empty;

    @ParameterizedTest
    @ValueSource(strings = {"check-gpu", "train --resident"})
    void theCommandSaysWhatToInstall(String command) throws IOException, InterruptedException {
        List<String> java = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "@" + System.getenv("TORNADOVM_HOME") + "/tornado-argfile",
                "--add-modules=jdk.incubator.vector",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName()));
        java.addAll(List.of(command.split(" ")));
        Path output = empty.resolve("output");
        Path vendors = Files.createDirectory(empty.resolve("vendors"));
        ProcessBuilder builder = new ProcessBuilder(java)
                .directory(empty.toFile())
                .redirectErrorStream(true)
                .redirectOutput(output.toFile());
        builder.environment().put("OCL_ICD_VENDORS", vendors.toString());
        Process process = builder.start();
        assertThat(process.waitFor(2, TimeUnit.MINUTES)).isTrue();
        assertThat(Files.readString(output))
                .contains("no TornadoVM device", "install the driver")
                .doesNotContain("\tat ");
        assertThat(process.exitValue()).isEqualTo(1);
    }
}
