package org.batchnorm.bench.experiments.inplace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.batchnorm.bench.experiments.data.Dataset;
import org.batchnorm.bench.experiments.data.Digits;
import org.junit.jupiter.api.Test;

class InPlaceTrainingTest {
    private static final int N = 64;

    @Test
    void halfIsKeptAndTheLossesAreEqualWithinRounding() {
        Dataset digits = Digits.load().train();
        Stack.Size size = new Stack.Size(digits.width(), 48, 3, digits.classes());
        float[] x = new float[N * digits.width()];
        int[] labels = new int[N];
        try (Stack kept = new Stack(size, N, false, 1);
                Stack inPlace = new Stack(size, N, true, 1)) {
            assertThat(kept.keptBytes()).isEqualTo(2 * 3 * N * 48 * Float.BYTES);
            assertThat(inPlace.keptBytes()).isEqualTo(kept.keptBytes() / 2);
            double first = 0;
            double loss = 0;
            for (int step = 0; step < 40; step++) {
                int[] images = new int[N];
                for (int i = 0; i < N; i++) {
                    images[i] = step % 20 * N + i;
                }
                digits.copyRows(images, x, labels);
                loss = kept.step(x, labels);
                assertThat(inPlace.step(x, labels)).as("step %d", step).isCloseTo(loss, within(1e-4));
                first = step == 0 ? loss : first;
            }
            assertThat(loss).isLessThan(first / 3);
        }
    }

    @Test
    void printsWhatIsKeptAndTheLosses() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        InPlaceTraining.run(16, 2, 5, new PrintStream(bytes, true, StandardCharsets.UTF_8));

        List<String> lines = bytes.toString(StandardCharsets.UTF_8).lines().toList();
        assertThat(lines).hasSize(5);
        assertThat(lines.get(1)).contains("0.06 MiB with z and y, 0.03 MiB in place");
        assertThat(lines.get(3)).startsWith("   1 ");
    }
}
