package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonFactory;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.ToolProvider;
import org.batchnorm.state.Safetensors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the README shows, tried. */
class ReadmeTest {
    @TempDir
    Path folder;

    @Test
    void theProgramRunsAndWritesTheState() throws Exception {
        Path program = folder.resolve("Program.java");
        Files.writeString(program, first("(?s)```java\n(.*?)```", Path.of("../README.md")));
        String library = location(BatchNorm.class) + File.pathSeparator + location(JsonFactory.class);
        // The compiler of this JVM is warm by then, that of a JVM which runs a source file is not.
        ByteArrayOutputStream errors = new ByteArrayOutputStream();
        int compiled = ToolProvider.getSystemJavaCompiler()
                .run(null, null, errors, "-proc:none", "-cp", library, "-d", folder.toString(), program.toString());
        assertThat(compiled).as(errors.toString(StandardCharsets.UTF_8)).isZero();
        Path said = folder.resolve("said");
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--add-modules=jdk.incubator.vector",
                        "-cp",
                        library + File.pathSeparator + folder,
                        "Program")
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(said.toFile())
                .start();

        assertThat(process.waitFor()).as(Files.readString(said)).isZero();
        assertThat(Safetensors.read(folder.resolve("layer.safetensors")).tensors())
                .containsOnlyKeys("weight", "bias", "running_mean", "running_var", "num_batches_tracked");
    }

    @Test
    void theDependencyIsWhatTheBuildInstalls() throws IOException {
        String version = "<version>([^<]+)</version>";
        assertThat(first("<artifactId>tornado-batchnorm</artifactId>\\s*" + version, Path.of("../README.md")))
                .isEqualTo(first(
                        "<artifactId>tornado-batchnorm-parent</artifactId>\\s*" + version, Path.of("../pom.xml")));
    }

    private static String first(String pattern, Path file) throws IOException {
        Matcher matcher = Pattern.compile(pattern).matcher(Files.readString(file));
        assertThat(matcher.find()).as(file + " has " + pattern).isTrue();
        return matcher.group(1);
    }

    private static String location(Class<?> type) throws URISyntaxException {
        return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI())
                .toString();
    }
}
