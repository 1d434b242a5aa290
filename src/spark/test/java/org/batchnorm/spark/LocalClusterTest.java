package org.batchnorm.spark;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.spark.launcher.JavaModuleOptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A driver and the executors of {@code local-cluster[3,1,1024]}, each a process. */
@Tag("spark")
class LocalClusterTest {
    private static final long PATIENCE_SECONDS = 400;

    @TempDir
    private Path folder;

    /** With 2 rows one of the three ranks has none. */
    @ParameterizedTest
    @ValueSource(ints = {20, 2})
    void executorsGetWhatOneProcessWithTheWholeBatchGets(int rows) throws Exception {
        Result result = run(StepMain.class, "equal", Integer.toString(rows));
        System.out.println(result.output
                .lines()
                .filter(line -> line.contains("ranks: equal"))
                .toList());
        assertThat(result.code).as(result.output).isZero();
        assertThat(result.output).contains("3 ranks: equal on vector; a step took ");
    }

    /** The networks, the losses and the table of {@code batchnorm train}. */
    @Test
    void executorsTrainAsOneProcessDoes() throws Exception {
        Result result = run(TrainMain.class);
        assertThat(result.code).as(result.output).isZero();
        assertThat(result.output).contains("of which in exchanges, with waiting", "3 ranks: equal");
        System.out.println(result.output.substring(result.output.indexOf("without batch norm")));
    }

    @Test
    void anExecutorThatDiesFailsTheJob() throws Exception {
        Result result = run(StepMain.class, "die", "20");
        assertThat(result.code).as(result.output).isEqualTo(3);
        String message = result.output.substring(result.output.indexOf("the job failed: "));
        assertThat(message)
                .matches(
                        text -> text.contains("lost rank 1 (") || text.contains("ExecutorLostFailure"),
                        "says what was lost")
                .doesNotContain(": equal");
    }

    @Test
    void aRankThatStaysAwayFailsTheJobAfterTheDeadline() throws Exception {
        Result result = run(StepMain.class, "stay-away", "20");
        assertThat(result.code).as(result.output).isEqualTo(3);
        assertThat(result.output)
                .contains("the job failed: ")
                .containsPattern("of 3 (waited for rank 1 for PT20S|lost rank [02] )");
    }

    private record Result(int code, String output) {}

    /**
     * What local-cluster needs where there is no installation of Spark: a SPARK_HOME with a folder jars, the version of
     * Scala, and the class path for the executors. A driver that spark-submit does not start needs its JVM options too.
     */
    private Result run(Class<?> driver, String... arguments) throws IOException, InterruptedException {
        Path home = folder.resolve("spark");
        Files.createDirectories(home.resolve("jars"));
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules=jdk.incubator.vector",
                "-cp",
                System.getProperty("java.class.path")));
        command.addAll(1, List.of(JavaModuleOptions.defaultModuleOptionArray()));
        command.add(driver.getName());
        command.addAll(List.of(arguments));
        Path output = folder.resolve("output");
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(output.toFile());
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().put("SPARK_HOME", home.toString());
        builder.environment().put("SPARK_SCALA_VERSION", "2.13");
        builder.environment().put("SPARK_LOCAL_IP", "127.0.0.1");
        Process process = builder.start();
        try {
            assertThat(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS))
                    .as("the driver ends; so far it said %s", Files.readString(output, StandardCharsets.UTF_8))
                    .isTrue();
        } finally {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }
        return new Result(process.exitValue(), Files.readString(output, StandardCharsets.UTF_8));
    }
}
