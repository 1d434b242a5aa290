package org.batchnorm.bench.experiments.papers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import org.batchnorm.BatchNorm;
import org.batchnorm.bench.experiments.data.DataFormatException;
import org.batchnorm.bench.experiments.data.Digits;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the frame promises: files, the same numbers for the same seed, stopping and going on. */
class ExperimentRunTest {
    @TempDir
    private Path directory;

    @BeforeAll
    static void drawWithoutAScreen() {
        System.setProperty("java.awt.headless", "true");
    }

    @Test
    void writesNumbersPictureAndPage() throws IOException {
        run(2, directory);

        assertThat(directory.resolve("results.csv")).hasContent("""
                        # walk on digits, brief scale
                        variant,seed,quantity,x,value
                        up,0,height,1,0
                        up,0,height,2.5,0.1
                        down,0,height,1,0
                        down,0,height,2.5,-0.1
                        up,1,height,1,1
                        up,1,height,2.5,1.1
                        down,1,height,1,-1
                        down,1,height,2.5,-1.1
                        """);
        assertThat(directory.resolve("times.csv")).content().contains("up,0,time,0,7\n");
        assertThat(directory.resolve("README.md"))
                .content()
                .startsWith("# Up to 0.60\n\nWhere to?\n\n![Up to 0.60](walk.png)")
                .contains("- It climbs. **So it is here**: 0.60 (0.10–1.10).")
                .contains("- It flies. **Not so here**: no.")
                .contains("seeds 0 to 1");
        assertThat(ImageIO.read(directory.resolve("walk.png").toFile()).getWidth())
                .isPositive();
        assertThat(directory.resolve("walk.svg")).content().contains("<svg");
    }

    @Test
    void goesOnWhereItWasStopped() throws IOException {
        Path whole = directory.resolve("whole");
        Path inParts = directory.resolve("parts");
        run(2, whole);
        ExperimentRun stopped = new ExperimentRun(new Walk(), setting(2), inParts);

        assertThatThrownBy(() -> stopped.run((work, what) -> {
                    if (what.equals("down, seed 0")) {
                        throw new IllegalStateException("stopped");
                    }
                }))
                .hasMessage("stopped");

        assertThat(Files.readString(inParts.resolve("results.csv"))).doesNotContain("down");
        ExperimentRun next = new ExperimentRun(new Walk(), setting(2), inParts);
        assertThat(next.runs()).isEqualTo(4);
        assertThat(next.missing()).isEqualTo(3);
        List<String> done = new ArrayList<>();
        next.run((work, what) -> done.add(work + " " + what));
        assertThat(done).containsExactly("10 down, seed 0", "20 up, seed 1", "30 down, seed 1");
        for (String file : List.of("results.csv", "times.csv", "README.md", "walk.svg")) {
            assertThat(inParts.resolve(file)).hasSameTextualContentAs(whole.resolve(file));
        }
    }

    @Test
    void moreSeedsGoOnFromFewer() throws IOException {
        run(1, directory);

        ExperimentRun more = new ExperimentRun(new Walk(), setting(3), directory);

        assertThat(more.missing()).isEqualTo(4);
    }

    @Test
    void refusesNumbersOfAnotherOrigin() throws IOException {
        run(1, directory);
        Setting quick = new Setting(Digits.load(), Scale.QUICK, 1, BatchNorm::builder);

        assertThatThrownBy(() -> new ExperimentRun(new Walk(), quick, directory))
                .isInstanceOf(DataFormatException.class)
                .hasMessageContaining(
                        "holds \"# walk on digits, brief scale\", must be \"# walk on digits, quick scale\"");
    }

    @Test
    void refusesDamagedNumbers() throws IOException {
        run(1, directory);
        Path results = directory.resolve("results.csv");
        Files.writeString(results, Files.readString(results) + "up,1,height,1\n");

        assertThatThrownBy(() -> new ExperimentRun(new Walk(), setting(1), directory))
                .isInstanceOf(DataFormatException.class)
                .hasMessageContaining("line 7: \"up,1,height,1\" found, must be variant,seed,quantity,x,value");
    }

    @Test
    void refusesNamesWithCommas() {
        assertThatThrownBy(() -> new Table.Row("height, in m", "up", 1, 0, 2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("quantity, variant: \"height, in m\", \"up\" given, must be without commas, which separate"
                        + " columns");
    }

    @Test
    void namesTheExperimentsThereAre() {
        assertThat(Experiments.names()).doesNotHaveDuplicates().contains("convergence");
        assertThat(Experiments.named("convergence").name()).isEqualTo("convergence");
        assertThatThrownBy(() -> Experiments.named("convergense"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("NAME: \"convergense\" given, must be one of convergence,");
    }

    private static void run(int seeds, Path directory) throws IOException {
        new ExperimentRun(new Walk(), setting(seeds), directory).run((work, what) -> {});
    }

    private static Setting setting(int seeds) {
        return new Setting(Digits.load(), Scale.BRIEF, seeds, BatchNorm::builder);
    }

    /** Two variants, two numbers each. */
    private static final class Walk implements Experiment {
        @Override
        public String name() {
            return "walk";
        }

        @Override
        public String question() {
            return "Where to?";
        }

        @Override
        public List<String> variants(Setting setting) {
            return List.of("up", "down");
        }

        @Override
        public long work(Setting setting, String variant) {
            return 10;
        }

        @Override
        public void run(Trial trial) {
            trial.worked(10);
            int direction = trial.variant().equals("up") ? 1 : -1;
            long seed = trial.orderSeed() == new Trial(trial.setting(), "", 0, w -> {}).orderSeed() ? 0 : 1;
            trial.record("height", 1, (double) direction * seed);
            trial.record("height", 2.5, direction * (seed + 0.1));
            trial.recordTime("time", 0, 7);
        }

        @Override
        public void describe(Setting setting, Table table, Page page) {
            Series up = table.series("height", "up");
            page.finding("Up to %.2f", up.mean(2.5))
                    .protocol("None.")
                    .claim("It climbs.", true, "%s.", Page.meanAndRange(up, 2.5))
                    .claim("It flies.", false, "no.")
                    .chart(new LineChart("A walk", "time in s", "height in m").line("up", up));
        }
    }
}
