package org.batchnorm.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.batchnorm.BatchNorm;
import org.batchnorm.ChildJvm;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormBackend;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

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

    /**
     * Options, and what is said of them: interpreted, or without the optimizing compiler, vectors are 50 to 100 times
     * slower than plain loops.
     */
    static Stream<Arguments> withoutTheCompiler() {
        return Stream.of(
                arguments("-Xint", "only interprets (-Xint)"),
                arguments("-XX:TieredStopAtLevel=0", "compiles up to level 0 of 4 only (-XX:TieredStopAtLevel)"),
                arguments("-XX:TieredStopAtLevel=1", "compiles up to level 1 of 4 only (-XX:TieredStopAtLevel)"),
                arguments("-XX:TieredStopAtLevel=3", "compiles up to level 3 of 4 only (-XX:TieredStopAtLevel)"),
                arguments("-XX:CompilationMode=quick-only", "compiles quickly only (-XX:CompilationMode=quick-only)"),
                arguments("-XX:-UseCompiler", "compiles nothing (-XX:-UseCompiler"));
    }

    @ParameterizedTest
    @MethodSource("withoutTheCompiler")
    void autoLeavesVectorsWhereTheyAreNotCompiled(String option, String reason) throws Exception {
        assertThat(ChildJvm.run(List.of(option), Choose.class, List.of("auto"), 60))
                .contains("auto scalar 1.3416")
                .contains("backend vector is passed over: this JVM " + reason)
                .contains("choose vector by name to use it all the same");
    }

    @Test
    void vectorsThatAreNotCompiledCanBeChosenByName() throws Exception {
        isChosenByName("-XX:TieredStopAtLevel=1");
    }

    @Tag("thorough")
    @ParameterizedTest
    @MethodSource("withoutTheCompiler")
    void vectorsCanBeChosenByNameWithAnyOption(String option) throws Exception {
        isChosenByName(option);
    }

    private static void isChosenByName(String option) throws Exception {
        assertThat(ChildJvm.run(List.of(option), Choose.class, List.of("vector"), 60))
                .contains("vector vector 1.3416")
                .doesNotContain("passed over");
    }

    @Test
    void autoTakesVectorsWhereTheyAreCompiled() throws Exception {
        for (String option : List.of("-XX:TieredStopAtLevel=4", "-XX:-TieredCompilation")) {
            assertThat(ChildJvm.run(List.of(option), Choose.class, List.of("auto"), 60))
                    .contains("auto vector 1.3416")
                    .doesNotContain("passed over");
        }
    }

    /** Run in a Java of its own; the arguments name backends. */
    static final class Choose {
        public static void main(String[] arguments) {
            for (String backend : arguments) {
                float[] y = new float[4];
                try (BatchNorm layer = BatchNorm.builder(1).backend(backend).build()) {
                    layer.forward(new float[] {1, 2, 3, 4}, y, BatchShape.of(4, 1));
                    System.out.println(backend + " " + layer.backendName() + " " + y[3]);
                }
            }
        }
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
