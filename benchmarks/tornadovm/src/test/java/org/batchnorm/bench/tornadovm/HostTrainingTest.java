package org.batchnorm.bench.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.batchnorm.BatchNorm;
import org.batchnorm.BatchNormBuilder;
import org.batchnorm.bench.experiments.data.Digits;
import org.batchnorm.bench.experiments.train.Architecture;
import org.batchnorm.bench.experiments.train.Comparison;
import org.batchnorm.bench.experiments.train.Curve;
import org.batchnorm.bench.experiments.train.NetworkKind;
import org.batchnorm.bench.experiments.train.OptimizerKind;
import org.batchnorm.bench.experiments.train.Settings;
import org.junit.jupiter.api.Test;

/**
 * What {@code batchnorm train --backend tornadovm} does, beside what it does on the CPU: the same weights, the same
 * batches.
 */
class HostTrainingTest {
    private static final int STEPS = 100;
    private static final int STEPS_BEFORE_ROUNDING_GROWS = 10;

    /**
     * Training amplifies rounding, suddenly so where an activation changes sides. How much is measured, not assumed:
     * twins start on the CPU with gammas one or two units in the last place beside the first network's, and the device
     * may not stray further from it than three times as far as one of them has by then.
     */
    @Test
    void theCurveFollowsTheCpusForAHundredSteps() {
        Curve cpu = curve(builder -> layer(builder, "scalar", 1));
        List<Curve> twins = IntStream.of(-2, -1, 1, 2)
                .mapToObj(units -> curve(builder -> layer(builder, "scalar", 1 + units * Math.ulp(1f))))
                .toList();
        Curve device = curve(builder -> layer(builder, "tornadovm", 1));

        double strayed = 0;
        for (int step = 1; step <= STEPS; step++) {
            double loss = cpu.trainingLoss(step);
            for (Curve twin : twins) {
                strayed = Math.max(strayed, Math.abs(twin.trainingLoss(step) - loss));
            }
            double allowed = step <= STEPS_BEFORE_ROUNDING_GROWS ? 1e-6 * loss : Math.max(3 * strayed, 1e-5 * loss);
            assertThat(device.trainingLoss(step)).as("loss of step %d", step).isCloseTo(loss, within(allowed));
        }
        assertThat(device.trainingLoss(STEPS)).isLessThan(device.trainingLoss(1) / 4);
        assertThat(device.lastEvaluation().testAccuracy())
                .isCloseTo(cpu.lastEvaluation().testAccuracy(), within(0.01));
    }

    private static BatchNorm layer(BatchNormBuilder builder, String backend, float gamma) {
        BatchNorm layer = builder.backend(backend).build();
        Arrays.fill(layer.weight(), gamma);
        return layer;
    }

    private static Curve curve(Function<BatchNormBuilder, BatchNorm> batchNorm) {
        NetworkKind network = NetworkKind.TEXTBOOK;
        OptimizerKind optimizer = OptimizerKind.SGD;
        Settings settings = new Settings(60, STEPS, STEPS, optimizer.defaultLearningRate(network), 1);
        try (Comparison comparison = Comparison.withAndWithout(
                Digits.load(),
                Architecture.fused(network, network.defaultPlacement()),
                optimizer,
                settings,
                batchNorm)) {
            comparison.run(step -> {});
            return comparison.trainees().getLast().curve();
        }
    }
}
