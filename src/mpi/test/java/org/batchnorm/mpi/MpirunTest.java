package org.batchnorm.mpi;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.batchnorm.Mpirun;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Processes under {@code mpirun}. How often each is run says the system property {@code org.batchnorm.mpi.runs}; the
 * default is once.
 */
@Tag("mpirun")
class MpirunTest {
    private static final int RUNS = Integer.getInteger("org.batchnorm.mpi.runs", 1);
    private static final long PATIENCE_SECONDS = 180;

    @TempDir
    private Path folder;

    @BeforeAll
    static void requireMpirun() {
        Mpirun.require();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4})
    void ranksGetWhatOneProcessWithTheWholeBatchGets(int ranks) throws Exception {
        for (int run = 0; run < RUNS; run++) {
            Result result = run(ranks, "equal");
            assertThat(result.code).as(result.output).isZero();
            for (int rank = 0; rank < ranks; rank++) {
                assertThat(result.output).contains("rank " + rank + " of " + ranks + ": equal");
            }
        }
    }

    @Test
    void aRankThatDiesEndsAll() throws Exception {
        for (int run = 0; run < RUNS; run++) {
            Result result = run(3, "die", "1");
            assertThat(result.code).as(result.output).isNotZero();
            assertThat(result.output).doesNotContain(": equal");
        }
    }

    @Test
    void aRankThatThrowsSaysWhyAndEndsAll() throws Exception {
        Result result = run(3, "throw", "1");
        assertThat(result.code).as(result.output).isNotZero();
        assertThat(result.output)
                .contains("rank 1 of 3 failed", "a failure of one rank")
                .doesNotContain(": equal");
    }

    @Test
    void aRankThatStaysAwayEndsAllAfterTheDeadline() throws Exception {
        Result result = run(3, "stay-away", "1", "3");
        assertThat(result.code).as(result.output).isNotZero();
        assertThat(result.output).contains("waited for another rank for PT3S").doesNotContain(": equal");
    }

    private record Result(int code, String output) {}

    private Result run(int ranks, String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(Mpirun.command(ranks));
        command.addAll(List.of("-Dorg.batchnorm.threads=1", RankMain.class.getName()));
        command.addAll(List.of(arguments));
        Path output = folder.resolve("output");
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        try {
            assertThat(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS))
                    .as("mpirun ends; so far it said %s", Files.readString(output, StandardCharsets.UTF_8))
                    .isTrue();
        } finally {
            process.destroyForcibly();
        }
        return new Result(process.exitValue(), Files.readString(output, StandardCharsets.UTF_8));
    }
}
