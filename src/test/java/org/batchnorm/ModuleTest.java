package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonFactory;
import java.io.File;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.lang.module.ModuleFinder;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The library as others use it: small programs, compiled and run on the module path and on the class path. */
class ModuleTest {
    private static final String VECTOR_MODULE = "--add-modules=jdk.incubator.vector";

    private static final String MODULE_INFO = """
            module consumer {
                requires org.batchnorm;
            }
            """;

    private static final String MAIN = """
            package consumer;

            import java.util.Arrays;
            import org.batchnorm.BatchNorm;
            import org.batchnorm.conformance.ErrorBound;
            import org.batchnorm.data.Batch;
            import org.batchnorm.data.BatchShape;
            import org.batchnorm.spi.Backends;
            import org.batchnorm.spi.BatchNormBackend;
            import org.batchnorm.state.BatchNormState;

            public final class Main {
                public static void main(String[] arguments) throws Exception {
                    BatchShape shape = BatchShape.of(2, 1);
                    float[] y = new float[2];
                    try (BatchNorm layer = BatchNorm.builder(1).eps(3).build()) {
                        layer.forward(Batch.of(new float[] {-1, 1}, shape), Batch.of(y, shape));
                        System.out.println(layer.backendName() + " " + Arrays.toString(y) + " "
                                + BatchNormState.of(layer.state()).numBatchesTracked());
                    }
                    System.out.println(Backends.all().stream().map(BatchNormBackend::name).toList());
                    System.out.println(BatchNorm.class.getModule() + ", " + ErrorBound.class.getSimpleName());
                    try {
                        Class.forName("org.batchnorm.cpu.ScalarBackend").getConstructor().newInstance();
                        System.out.println("the backend's class is reached");
                    } catch (IllegalAccessException e) {
                        System.out.println("the backend's class is not reached");
                    }
                }
            }
            """;

    private static final String INTRUDER = """
            package consumer;

            final class Intruder {
                org.batchnorm.cpu.ScalarBackend backend;
            }
            """;

    /** The modular program, compiled. */
    @TempDir
    static Path modular;

    @TempDir
    Path folder;

    @BeforeAll
    static void compileTheModularProgram() {
        List<String> options = onModulePath(path(library(), dependencies()), modular);
        assertThat(compile(modular, options, Map.of("module-info", MODULE_INFO, "consumer.Main", MAIN)))
                .isEmpty();
    }

    @Test
    void aModularProgramUsesTheModule() {
        String path = path(modular.toString(), library(), dependencies());
        List<String> run = List.of("-p", path, "-m", "consumer/consumer.Main");
        assertThat(java(run))
                .containsExactly(
                        "scalar [-0.5, 0.5] 1",
                        "[vector, scalar]",
                        "module org.batchnorm, ErrorBound",
                        "the backend's class is not reached");
        assertThat(java(concat(List.of(VECTOR_MODULE), run))).startsWith("vector [-0.5, 0.5] 1", "[vector, scalar]");
    }

    /** Of what the annotations are, nobody needs anything in order to run. */
    @Test
    void aModularProgramRunsWithoutTheAnnotations() {
        String least = path(modular.toString(), library(), location(JsonFactory.class));
        assertThat(java(List.of("-p", least, "-m", "consumer/consumer.Main"))).startsWith("scalar [-0.5, 0.5] 1");
    }

    @Test
    void aModularProgramDoesNotSeeTheBackends() {
        String path = path(library(), dependencies());
        Map<String, String> sources = Map.of("module-info", MODULE_INFO, "consumer.Intruder", INTRUDER);
        assertThat(compile(folder, onModulePath(path, folder), sources))
                .contains("package org.batchnorm.cpu is not visible")
                .contains("module org.batchnorm, which does not export it");
    }

    @Test
    void aProgramOnTheClassPathUsesTheSameJar() {
        String path = path(library(), dependencies());
        assertThat(compile(folder, List.of("-cp", path), Map.of("consumer.Main", MAIN)))
                .isEmpty();
        List<String> run = List.of("-cp", path(folder.toString(), path), "consumer.Main");
        assertThat(java(run)).startsWith("scalar [-0.5, 0.5] 1", "[vector, scalar]");
        assertThat(java(concat(List.of(VECTOR_MODULE), run))).startsWith("vector [-0.5, 0.5] 1", "[vector, scalar]");
    }

    @Test
    void exactlyThePublicPackagesAreExported() {
        var module = ModuleFinder.of(Path.of(library()))
                .find("org.batchnorm")
                .orElseThrow()
                .descriptor();
        assertThat(module.exports())
                .allMatch(exported -> exported.targets().isEmpty())
                .extracting(exported -> exported.source())
                .containsExactlyInAnyOrder(
                        "org.batchnorm",
                        "org.batchnorm.conformance",
                        "org.batchnorm.data",
                        "org.batchnorm.spi",
                        "org.batchnorm.state");
        assertThat(module.opens()).isEmpty();
    }

    /** Options of a compiler that sees nothing on the class path; it would take this JVM's. */
    private static List<String> onModulePath(String path, Path folder) {
        return List.of("-p", path, "-cp", folder.toString());
    }

    /** Compiles into the folder; the compiler's messages, none if all is well. */
    private static String compile(Path folder, List<String> options, Map<String, String> sources) {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StringWriter messages = new StringWriter();
        List<JavaFileObject> files = new ArrayList<>();
        sources.forEach((name, text) -> files.add(new Source(name, text)));
        List<String> all = concat(List.of("-d", folder.toString(), "-proc:none"), options);
        boolean done = compiler.getTask(messages, null, null, all, null, files).call();
        return done ? "" : messages.toString();
    }

    /** Runs a JVM; the lines of its standard output. */
    private List<String> java(List<String> arguments) {
        try {
            Path errors = folder.resolveSibling(folder.getFileName() + ".errors");
            List<String> command = concat(
                    List.of(Path.of(System.getProperty("java.home"), "bin", "java")
                            .toString()),
                    arguments);
            Process process =
                    new ProcessBuilder(command).redirectError(errors.toFile()).start();
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            int exit = process.waitFor();
            String said = Files.readString(errors);
            Files.delete(errors);
            assertThat(exit).as(said).isZero();
            return output.lines().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String library() {
        return location(BatchNorm.class);
    }

    private static String dependencies() {
        return path(location(JsonFactory.class), location(NullMarked.class));
    }

    private static String location(Class<?> type) {
        try {
            return Path.of(type.getProtectionDomain()
                            .getCodeSource()
                            .getLocation()
                            .toURI())
                    .toString();
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String path(String... parts) {
        return String.join(File.pathSeparator, parts);
    }

    private static List<String> concat(List<String> one, List<String> other) {
        return Stream.concat(one.stream(), other.stream()).collect(Collectors.toList());
    }

    /** A source file in memory. */
    private static final class Source extends SimpleJavaFileObject {
        private final String text;

        Source(String name, String text) {
            super(URI.create("string:///" + name.replace('.', '/') + Kind.SOURCE.extension), Kind.SOURCE);
            this.text = text;
        }

        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) {
            return text;
        }
    }
}
