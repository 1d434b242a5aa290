package org.batchnorm.bench.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.batchnorm.BatchNorm;
import org.batchnorm.bench.data.Dataset;
import org.batchnorm.bench.data.Digits;
import org.batchnorm.bench.data.TrainTest;
import org.batchnorm.bench.network.BatchNormLayer;
import org.batchnorm.bench.network.Linear;
import org.batchnorm.bench.network.Optimizer;
import org.batchnorm.bench.network.Parameter;
import org.batchnorm.bench.network.Sequential;
import org.batchnorm.bench.network.Sigmoid;
import org.batchnorm.bench.network.SoftmaxCrossEntropy;
import org.batchnorm.bench.train.NetworkKind;
import org.batchnorm.bench.train.OptimizerKind;
import org.batchnorm.bench.train.Placement;
import org.batchnorm.bench.train.ResidentTraining;
import org.batchnorm.bench.train.ResidentTraining.ResidentModel;
import org.batchnorm.bench.train.Settings;
import org.junit.jupiter.api.Test;

/** Training on the device against training in host memory: the same weights, the same batches. */
class ResidentTrainingTest {
    private static final TrainTest DIGITS = Digits.load();

    /**
     * Training amplifies rounding. How much is measured, not assumed: a second host network starts one unit in the last place beside the first, and the device may
     * not stray further from the first than three times as far as this one has by then.
     */
    @Test
    void theTextbookNetworkFollowsTheHostForAHundredSteps() {
        Settings settings = new Settings(60, 100, 100, OptimizerKind.SGD.defaultLearningRate(NetworkKind.TEXTBOOK), 1);
        List<int[]> batches = batches(DIGITS.train(), settings);
        Run host = host(textbook(), OptimizerKind.SGD, settings, batches);
        Sequential beside = textbook();
        for (Parameter parameter : beside.parameters()) {
            for (int i = 0; i < parameter.value().length; i++) {
                parameter.value()[i] = Math.nextUp(parameter.value()[i]);
            }
        }
        Run twin = host(beside, OptimizerKind.SGD, settings, batches);
        Run device = device(textbook(), OptimizerKind.SGD, settings, batches);

        double strayed = 0;
        for (int step = 0; step < settings.steps(); step++) {
            strayed = Math.max(strayed, Math.abs(twin.losses[step] - host.losses[step]));
            assertThat(device.losses[step])
                    .as("loss of step %d", step + 1)
                    .isCloseTo(host.losses[step], within(Math.max(3 * strayed, 1e-5 * host.losses[step])));
        }
        assertThat(device.accuracy).isCloseTo(host.accuracy, within(0.01));
        assertThat(device.accuracy).isGreaterThan(0.95);
    }

    /**
     * A bias before batch norm has no gradient but rounding, which Adam scales up to whole steps. The batch's mean takes such steps out again; the running mean, which lags
     * behind, does not: hence the wider bound on the test loss.
     */
    @Test
    void sigmoidsBatchNormBeforeThemAndAdamFollowTheHost() {
        Settings settings = new Settings(37, 10, 10, 0.003, 1);
        List<int[]> batches = batches(DIGITS.train(), settings);
        Run host = host(small(), OptimizerKind.ADAM, settings, batches);
        Run device = device(small(), OptimizerKind.ADAM, settings, batches);
        for (int step = 0; step < settings.steps(); step++) {
            assertThat(device.losses[step])
                    .as("loss of step %d", step + 1)
                    .isCloseTo(host.losses[step], within(1e-5 * host.losses[step]));
        }
        assertThat(device.testLoss).isCloseTo(host.testLoss, within(2e-3));
        assertThat(device.accuracy).isCloseTo(host.accuracy, within(0.01));
    }

    @Test
    void anUnknownDeviceIsToldWithThoseThatExist() {
        Settings settings = new Settings(10, 1, 1, 0.1, 1);
        assertThatThrownBy(() ->
                        ResidentTraining.find().open(small(), DIGITS, OptimizerKind.SGD, settings, Optional.of("7:7")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("7:7")
                .hasMessageContaining("0:0");
    }

    private static Sequential textbook() {
        return NetworkKind.TEXTBOOK.build(64, 10, Placement.AFTER, Optional.of(ResidentTrainingTest::batchNorm), 42);
    }

    /** Widths that fill no tile. */
    private static Sequential small() {
        Random random = new Random(5);
        return new Sequential(
                List.of(Linear.glorot(64, 23, random), batchNorm(23), new Sigmoid(23), Linear.glorot(23, 10, random)));
    }

    private static BatchNormLayer batchNorm(int features) {
        return new BatchNormLayer(BatchNorm.builder(features).backend("scalar").build());
    }

    private static List<int[]> batches(Dataset data, Settings settings) {
        Random random = new Random(settings.seed());
        List<int[]> batches = new ArrayList<>();
        for (int step = 0; step < settings.steps(); step++) {
            batches.add(random.ints(settings.batchSize(), 0, data.size()).toArray());
        }
        return batches;
    }

    private static Run device(Sequential network, OptimizerKind optimizer, Settings settings, List<int[]> batches) {
        try (network;
                ResidentModel model =
                        ResidentTraining.find().open(network, DIGITS, optimizer, settings, Optional.empty())) {
            batches.forEach(model::step);
            double[] losses = new double[settings.steps()];
            float[] read = model.losses();
            for (int i = 0; i < losses.length; i++) {
                losses[i] = read[i];
            }
            ResidentTraining.Score score = model.evaluate();
            assertThat(model.evaluate()).as("the same again").isEqualTo(score);
            return new Run(losses, score.loss(), score.accuracy());
        }
    }

    private static Run host(Sequential network, OptimizerKind optimizer, Settings settings, List<int[]> batches) {
        try (network) {
            Optimizer rule = optimizer.create(network.parameters(), settings.learningRate());
            SoftmaxCrossEntropy loss = new SoftmaxCrossEntropy(network.outputs());
            int n = settings.batchSize();
            Sequential.Activations activations = network.activations(n);
            double[] losses = new double[settings.steps()];
            for (int step = 0; step < settings.steps(); step++) {
                network.zeroGradients();
                float[] logits = network.forward(activations, pixels(DIGITS.train(), batches.get(step)), true);
                losses[step] = loss.lossAndGradient(
                        n, logits, labels(DIGITS.train(), batches.get(step)), activations.outputGradient());
                network.backward(activations);
                rule.step();
            }
            int[] all = new int[DIGITS.test().size()];
            for (int i = 0; i < all.length; i++) {
                all[i] = i;
            }
            float[] logits = network.forward(network.activations(all.length), pixels(DIGITS.test(), all), false);
            SoftmaxCrossEntropy.Score score = loss.score(all.length, logits, labels(DIGITS.test(), all));
            return new Run(losses, score.lossSum() / all.length, (double) score.correct() / all.length);
        }
    }

    private static float[] pixels(Dataset data, int[] images) {
        float[] x = new float[images.length * data.width()];
        for (int i = 0; i < images.length; i++) {
            data.copyRow(images[i], x, i);
        }
        return x;
    }

    private static int[] labels(Dataset data, int[] images) {
        int[] labels = new int[images.length];
        for (int i = 0; i < images.length; i++) {
            labels[i] = data.label(images[i]);
        }
        return labels;
    }

    @SuppressWarnings("ArrayRecordComponent") // Never compared.
    private record Run(double[] losses, double testLoss, double accuracy) {}
}
