package org.batchnorm.bench.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.batchnorm.Mpirun;
import org.batchnorm.bench.experiments.train.PermutedRuns;
import org.batchnorm.bench.experiments.train.Settings;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code mpirun -n 4 scripts/batchnorm train --distributed mpi}. */
@Tag("mpirun")
class MpirunTrainTest {
    private static final long PATIENCE_SECONDS = 180;

    @TempDir
    private Path folder;

    @BeforeAll
    static void requireMpirun() {
        Mpirun.require();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4})
    void ranksTrainAsOneProcessDoes(int ranks) throws Exception {
        Run run = new Run(ranks, "--steps", "20", "--seed", "3");
        assertThat(run.code()).as(run.output()).isZero();
        assertThat(run.output())
                .containsOnlyOnce("on " + ranks + " ranks with a part of every batch each")
                .containsOnlyOnce("of which in exchanges, with waiting")
                .containsOnlyOnce("The curves are in");
        assertThat(new PermutedRuns(new Settings(60, 20, 1, 0.05, 3)).outliers(losses()))
                .isEmpty();
    }

    @Test
    void aRankThatIsKilledInMidStepEndsAll() throws Exception {
        Run run = new Run(3, "--steps", "3000");
        List<ProcessHandle> ranks = run.ranksInTraining();
        ranks.getLast().destroyForcibly();
        assertThat(run.code()).as(run.output()).isNotZero();
        assertThat(run.output()).containsIgnoringCase("killed").doesNotContain("The curves are in");
        assertEnd(ranks);
    }

    /** Its machine hangs, say: nobody tells the others. */
    @Test
    void aRankThatStopsEndsAllAfterTheDeadline() throws Exception {
        Run run = new Run(3, "--steps", "3000", "--deadline", "3");
        List<ProcessHandle> ranks = run.ranksInTraining();
        String pid = Long.toString(ranks.getLast().pid());
        assertThat(new ProcessBuilder("kill", "-STOP", pid).start().waitFor()).isZero();
        assertThat(run.code()).as(run.output()).isNotZero();
        assertThat(run.output())
                .contains("waited for another rank for PT3S; all ranks end")
                .doesNotContain("The curves are in");
        assertEnd(ranks);
    }

    @Test
    void wrongInputIsSaidOnce() throws Exception {
        Run run = new Run(3, "--batch-size", "5000");
        assertThat(run.code()).as(run.output()).isEqualTo(2);
        assertThat(run.output())
                .containsOnlyOnce("batchnorm train: batch size: 5000 given, must be at least 2 and at most 1438");
    }

    @Test
    void anOutputThatCannotBeWrittenIsToldByTheFirstRankAndEndsAll() throws Exception {
        Files.writeString(folder.resolve("curves"), "");
        Run run = new Run(3, "--steps", "2");
        assertThat(run.code()).as(run.output()).isEqualTo(1);
        assertThat(run.output()).containsOnlyOnce("--out: ").contains("cannot be written to");
    }

    /** Of each network the training losses and the test losses of the run's curves. */
    private List<double[]> losses() throws IOException {
        List<double[]> losses = new ArrayList<>();
        List<String> lines = Files.readAllLines(folder.resolve("curves/curves.csv"));
        for (String network : List.of("without", "with")) {
            for (int column : new int[] {2, 3}) {
                losses.add(lines.stream()
                        .map(line -> line.split(",", -1))
                        .filter(cells -> cells[0].equals(network))
                        .mapToDouble(cells -> Double.parseDouble(cells[column]))
                        .toArray());
            }
        }
        return losses;
    }

    /** A run of {@code train} by several ranks, started. */
    private final class Run {
        private final Path output = folder.resolve("output");
        private final Process process;

        Run(int ranks, String... arguments) throws IOException {
            List<String> command = new ArrayList<>(Mpirun.command(ranks));
            command.addAll(List.of(
                    Main.class.getName(),
                    "train",
                    "--distributed",
                    "mpi",
                    "--threads",
                    "1",
                    "--out",
                    folder.resolve("curves").toString()));
            command.addAll(List.of(arguments));
            process = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(output.toFile())
                    .start();
        }

        String output() throws IOException {
            return Files.readString(output, StandardCharsets.UTF_8);
        }

        /** Waits for the end. */
        int code() throws IOException, InterruptedException {
            try {
                assertThat(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS))
                        .as("mpirun ends; so far it said %s", output())
                        .isTrue();
            } finally {
                process.descendants().forEach(ProcessHandle::destroyForcibly);
                process.destroyForcibly();
            }
            return process.exitValue();
        }

        /** The processes of the ranks, once they are in the midst of 3,000 steps. */
        List<ProcessHandle> ranksInTraining() throws IOException, InterruptedException {
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
            while (!output().contains("train 150/3000")) {
                if (!process.isAlive() || System.nanoTime() > end) {
                    throw new AssertionError("no training in " + output());
                }
                Thread.sleep(20);
            }
            List<ProcessHandle> ranks = process.descendants()
                    .filter(handle -> handle.info().command().orElse("").endsWith("java"))
                    .toList();
            assertThat(ranks).hasSize(3);
            return ranks;
        }
    }

    private static void assertEnd(List<ProcessHandle> ranks) throws Exception {
        for (ProcessHandle rank : ranks) {
            rank.onExit().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        }
    }
}
