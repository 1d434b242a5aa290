package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.batchnorm.tornadovm.PlantedFaultsMain.Fault;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * That the checkers find what they are there for. On an OpenCL SDK it is Oclgrind, if it is installed; on a CUDA SDK
 * the driver that runs CUDA on the CPU, if these tests run on it with {@code CPUCUDA_CHECK=1}.
 */
class PlantedFaultsTest {
    private static final Path OCLGRIND = Path.of("/usr/lib/oclgrind/liboclgrind-rt-icd.so");

    @TempDir
    Path folder;

    @Test
    void aKernelThatIsRightIsNotReported() throws Exception {
        assertThat(report(Fault.NONE)).isEmpty();
    }

    @Test
    void aMissingBarrierIsFound() throws Exception {
        assertThat(report(Fault.MISSING_BARRIER)).containsPattern("(?i)read-write data race|race-(rw|wr)");
    }

    @Test
    void aRaceIsFound() throws Exception {
        assertThat(report(Fault.RACE)).containsPattern("(?i)write-write data race|race-ww");
    }

    /** What the checker says of a kernel. */
    private String report(Fault fault) throws Exception {
        List<String> java =
                ChildJvm.command(List.of(ChildJvm.ARGFILE, ChildJvm.NO_BAILOUT), PlantedFaultsMain.class, fault.name());
        if (ChildJvm.sdkHas("cuda")) {
            assumeThat(System.getenv("CPUCUDA_CHECK")).as("CPUCUDA_CHECK").isEqualTo("1");
            Path log = folder.resolve("log");
            // In reverse a missing barrier is found as reads of what nobody wrote yet.
            Map<String, String> driver =
                    Map.of("CPUCUDA_LOG", log.toString(), "CPUCUDA_STRICT", "0", "CPUCUDA_ORDER", "random:1");
            assertThat(ChildJvm.run(driver, java, 0)).contains("executed");
            return problems(log, "PROBLEM");
        }
        assumeThat(ChildJvm.sdkHas("opencl") && Files.isReadable(OCLGRIND))
                .as("Oclgrind")
                .isTrue();
        java.addFirst(Path.of("..", "scripts", "with-oclgrind").toString());
        String output = ChildJvm.run(Map.of(), java, fault == Fault.NONE ? 0 : 3);
        assertThat(output).contains("executed");
        return output.lines().dropWhile(line -> !line.contains("data race")).reduce("", (a, b) -> a + b + "\n");
    }

    private static String problems(Path log, String word) throws IOException {
        return Files.readAllLines(log).stream()
                .filter(line -> line.contains(word))
                .reduce("", (a, b) -> a + b + "\n");
    }
}
