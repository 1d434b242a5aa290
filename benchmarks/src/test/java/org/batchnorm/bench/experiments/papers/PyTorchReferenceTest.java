package org.batchnorm.bench.experiments.papers;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import org.batchnorm.BatchNorm;
import org.batchnorm.bench.experiments.data.IdxDirectory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import org.junit.jupiter.api.io.TempDir;

/** The first 1,000 steps of {@link Convergence} on MNIST against PyTorch's; needs MNIST's files. */
@EnabledIfEnvironmentVariable(named = "BATCHNORM_DATA", matches = ".*mnist/?")
class PyTorchReferenceTest {
    @TempDir
    private Path directory;

    @Test
    void meansOfFourSeedsLieInTheRangeOfPyTorchsSeeds() throws IOException {
        Setting setting = new Setting(
                IdxDirectory.load(Path.of(System.getenv("BATCHNORM_DATA"))), Scale.QUICK, 4, BatchNorm::builder);
        ExperimentRun run = new ExperimentRun(new Convergence(), setting, directory);

        run.run((work, what) -> {});

        Series with = run.results().series(Convergence.ACCURACY, Convergence.WITH);
        Series without = run.results().series(Convergence.ACCURACY, Convergence.WITHOUT);
        PyTorchReference.BY_STEP.headMap(1_001).forEach((step, reference) -> {
            assertThat(reference.with().holds(with.mean(step)))
                    .as("with, %d steps: %s", step, with.mean(step))
                    .isTrue();
            PyTorchReference.Range range = step == 500 ? PyTorchReference.LEAVING_THE_PLATEAU : reference.without();
            assertThat(range.holds(without.mean(step)))
                    .as("without, %d steps: %s", step, without.mean(step))
                    .isTrue();
        });
    }
}
