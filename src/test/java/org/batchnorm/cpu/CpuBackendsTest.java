package org.batchnorm.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormBackend;
import org.junit.jupiter.api.Test;

/** What the CPU backends say about themselves, with and without the Vector API's module. */
class CpuBackendsTest {
    @Test
    void theVectorBackendComesBeforeTheScalarOne() {
        List<String> names = Backends.all().stream()
                .filter(backend -> backend.getClass().getPackage() == VectorBackend.class.getPackage())
                .filter(backend -> backend.availability().usable())
                .map(BatchNormBackend::name)
                .toList();
        assertThat(names).containsExactly("vector", "scalar");
    }

    @Test
    void withoutTheModuleTheVectorBackendSaysWhatToDo() throws IOException, InterruptedException {
        Process java = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        PrintAvailability.class.getName())
                .redirectErrorStream(true)
                .start();
        String said = new String(java.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(java.waitFor(1, TimeUnit.MINUTES)).isTrue();
        assertThat(said)
                .contains("vector false")
                .contains("--add-modules jdk.incubator.vector")
                .contains("scalar true");
    }

    /** Run in a Java of its own. */
    static final class PrintAvailability {
        public static void main(String[] arguments) {
            for (BatchNormBackend backend : List.of(new VectorBackend(), new ScalarBackend())) {
                System.out.println(
                        backend.name() + " " + backend.availability().usable() + " " + backend.availability());
            }
        }
    }
}
