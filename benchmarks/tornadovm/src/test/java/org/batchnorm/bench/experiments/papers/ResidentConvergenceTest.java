package org.batchnorm.bench.experiments.papers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.batchnorm.BatchNorm;
import org.batchnorm.bench.experiments.data.Digits;
import org.batchnorm.bench.experiments.data.IdxDirectory;
import org.batchnorm.bench.experiments.data.TrainTest;
import org.batchnorm.bench.experiments.network.Sequential;
import org.batchnorm.bench.experiments.train.Batches;
import org.batchnorm.bench.experiments.train.Classifier;
import org.batchnorm.bench.experiments.train.ResidentTraining;
import org.batchnorm.bench.experiments.train.ResidentTraining.ResidentModel;
import org.batchnorm.bench.experiments.train.ResidentTraining.Score;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@link Convergence} wholly on the device: against the host, its claim, and against PyTorch. */
class ResidentConvergenceTest {
    private static final int SEEDS = 4;

    @TempDir
    private Path directory;

    @BeforeAll
    static void drawWithoutAScreen() {
        System.setProperty("java.awt.headless", "true");
    }

    /** So few that rounding has not grown: losses, and the network that is left, are the host's. */
    @ParameterizedTest
    @CsvSource({
        Convergence.WITH + "," + Convergence.WITH_ON_DEVICE,
        Convergence.WITHOUT + "," + Convergence.WITHOUT_ON_DEVICE
    })
    void aFewStepsAreTheHosts(String onHost, String onDevice) {
        int steps = 12;
        Setting setting = setting(Digits.load(), Scale.BRIEF);
        Trial hostTrial = new Trial(setting, onHost, 3, worked -> {});
        Trial deviceTrial = new Trial(setting, onDevice, 3, worked -> {});
        try (Classifier classifier = new Classifier(Convergence.network(hostTrial));
                Sequential network = Convergence.network(deviceTrial);
                ResidentModel model = Convergence.residentModel(
                        deviceTrial, network, setting.resident().orElseThrow(), steps)) {
            Training host = Convergence.hostTraining(hostTrial, classifier);
            Batches batches = Convergence.batches(deviceTrial);
            double[] losses = new double[steps];
            for (int step = 0; step < steps; step++) {
                losses[step] = host.step();
                model.step(batches.next().images());
            }
            float[] deviceLosses = model.losses();
            for (int step = 0; step < steps; step++) {
                assertThat((double) deviceLosses[step])
                        .as("loss of step %d", step + 1)
                        .isCloseTo(losses[step], within(2e-6 * losses[step]));
            }
            Score hostScore = classifier.score(setting.data().test());
            Score deviceScore = model.evaluate();
            assertThat(deviceScore.loss()).isCloseTo(hostScore.loss(), within(2e-6 * hostScore.loss()));
            assertThat(deviceScore.accuracy()).isEqualTo(hostScore.accuracy());
        }
    }

    @Test
    void batchNormTrainsFasterThereToo() throws IOException {
        ExperimentRun run = new ExperimentRun(new Convergence(), setting(Digits.load(), Scale.BRIEF), directory);

        run.run((work, what) -> {});

        Series with = run.results().series(Convergence.ACCURACY, Convergence.WITH_ON_DEVICE);
        Series without = run.results().series(Convergence.ACCURACY, Convergence.WITHOUT_ON_DEVICE);
        assertThat(without.isBelow(with, 100, 50)).isTrue();
        assertThat(with.farthestMean(run.results().series(Convergence.ACCURACY, Convergence.WITH)))
                .isLessThan(1);
        assertThat(directory.resolve(Page.FILE))
                .content()
                .contains(
                        "Wholly on a TornadoVM device, from the same weights and on the same batches: after 100 steps");
    }

    /** The first 1,000 steps on MNIST against PyTorch's; needs MNIST's files. */
    @Test
    @EnabledIfEnvironmentVariable(named = "BATCHNORM_DATA", matches = ".*mnist/?")
    void meansOfFourSeedsLieInTheRangeOfPyTorchsSeeds() throws IOException {
        Setting setting = setting(IdxDirectory.load(Path.of(System.getenv("BATCHNORM_DATA"))), Scale.FULL);
        Table table = new Table("convergence on a device");
        for (String variant : new String[] {Convergence.WITH_ON_DEVICE, Convergence.WITHOUT_ON_DEVICE}) {
            for (long seed = 0; seed < SEEDS; seed++) {
                Trial trial = new Trial(setting, variant, seed, worked -> {});
                new Convergence().run(trial);
                table.add(trial.rows());
            }
        }
        Series with = table.series(Convergence.ACCURACY, Convergence.WITH_ON_DEVICE);
        Series without = table.series(Convergence.ACCURACY, Convergence.WITHOUT_ON_DEVICE);
        assertThat(with.xs()).contains(100.0, 500.0, 1_000.0);
        PyTorchReference.BY_STEP.headMap(1_001).forEach((step, reference) -> {
            PyTorchReference.Range range = step == 500 ? PyTorchReference.LEAVING_THE_PLATEAU : reference.without();
            assertThat(reference.with().holds(with.mean(step)))
                    .as("with, %d steps: %s", step, with.mean(step))
                    .isTrue();
            assertThat(range.holds(without.mean(step)))
                    .as("without, %d steps: %s", step, without.mean(step))
                    .isTrue();
        });
    }

    private static Setting setting(TrainTest data, Scale scale) {
        return new Setting(
                data,
                scale,
                SEEDS,
                features -> BatchNorm.builder(features).backend("scalar").threads(1),
                Optional.of(new ResidentPlace(ResidentTraining.find(), Optional.empty())));
    }
}
