package org.batchnorm.bench.experiments.accumulated;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.batchnorm.bench.experiments.data.Dataset;
import org.batchnorm.bench.experiments.data.Digits;
import org.junit.jupiter.api.Test;

class AccumulatedTrainingTest {
    @Test
    void theLossesAreThoseOfTheWholeBatchWithinRounding() {
        Dataset digits = Digits.load().train();
        Network.Size size = new Network.Size(digits.width(), 48, digits.classes());
        try (Network whole = new Network(size, 256, 1);
                Network accumulated = new Network(size, 8, 1);
                Network apart = new Network(size, 8, 1)) {
            assertThat(accumulated.bytes()).isEqualTo(whole.bytes() / 32);
            double first = 0;
            double loss = 0;
            for (int step = 0; step < 20; step++) {
                MicroBatches cut = AccumulatedTraining.batch(digits, step, 32);
                loss = whole.stepEachByItself(AccumulatedTraining.batch(digits, step, 1));
                assertThat(accumulated.stepAccumulated(cut)).as("step %d", step).isCloseTo(loss, within(1e-4));
                first = step == 0 ? loss : first;
                assertThat(apart.stepEachByItself(cut)).as("step %d", step).isNotCloseTo(loss, within(1e-3));
            }
            assertThat(loss).isLessThan(first / 3);
            assertThat(accumulated.norm().numBatchesTracked()).isEqualTo(20);
            assertThat(apart.norm().numBatchesTracked()).isEqualTo(20 * 32);
            assertThat(accumulated.norm().runningVar())
                    .usingComparatorWithPrecision(1e-3f)
                    .containsExactly(whole.norm().runningVar());
        }
    }

    @Test
    void printsTheMemoryAndTheLosses() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        AccumulatedTraining.run(16, 4, 5, new PrintStream(bytes, true, StandardCharsets.UTF_8));

        List<String> lines = bytes.toString(StandardCharsets.UTF_8).lines().toList();
        assertThat(lines).hasSize(5);
        assertThat(lines.get(1)).contains("0.066 MiB of a whole batch, 0.017 MiB of a part");
        assertThat(lines.get(3)).startsWith("   1 ");
    }
}
