package org.batchnorm.bench.tornadovm.resident;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.bench.tornadovm.resident.ResidentNetwork.Images;
import org.batchnorm.bench.tornadovm.resident.ResidentNetwork.Layer;
import org.batchnorm.bench.tornadovm.resident.ResidentNetwork.Schedule;
import org.batchnorm.bench.tornadovm.resident.ResidentNetwork.Score;
import org.batchnorm.spi.Activations;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** Batches of several sizes in one network, and its steps as replays of one recorded CUDA graph. */
class ReplayTest {
    private static final int WIDTH = 20;
    private static final int CLASSES = 5;
    private static final int BATCH = 24;

    /** The last batch of each of two epochs is smaller; 7 is the smallest. */
    private static final List<Integer> SIZES = List.of(24, 24, 24, 9, 24, 24, 24, 7);

    private static final Images TRAIN = images(100, 1);

    /** No multiple of the batch: the last one of an evaluation is smaller, too. */
    private static final Images TEST = images(53, 2);

    /** What a training leaves: the loss of each step, and a look at the test images after each. */
    private record Trained(List<Float> losses, List<Score> scores) {}

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void replayedStepsHaveTheBitsOfLaunchedOnes(boolean batchNorm) {
        assumeThat(CudaGraphs.recordedOn(device()))
                .as("a backend that records graphs")
                .isTrue();
        Trained replayed = train(batchNorm, BATCH, SIZES, true);
        assertThat(replayed).isEqualTo(train(batchNorm, BATCH, SIZES, false));
        assertThat(replayed.losses().getLast()).isLessThan(replayed.losses().getFirst());
    }

    /** A batch that is smaller than it might be gives what a network made for its size gives. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aSmallerBatchIsABatchOfItsSize(boolean batchNorm) {
        List<Integer> sizes = List.of(9, 9, 9);
        Trained smaller = train(batchNorm, BATCH, sizes, CudaGraphs.recordedOn(device()));
        Trained whole = train(batchNorm, 9, sizes, false);
        for (int step = 0; step < sizes.size(); step++) {
            assertThat(smaller.losses().get(step))
                    .as("loss of step %d", step + 1)
                    .isCloseTo(whole.losses().get(step), within(2e-6f));
            assertThat(smaller.scores().get(step).loss())
                    .isCloseTo(whole.scores().get(step).loss(), within(2e-5));
        }
    }

    @Test
    void aBatchThatIsTooLargeOrTooSmallIsRefused() {
        Schedule schedule = new Schedule(new Optimizer.Sgd(0.1, 0), BATCH, 3);
        try (ResidentNetwork network = new ResidentNetwork(layers(true), TRAIN, TEST, schedule, device())) {
            assertThatThrownBy(() -> network.step(new int[BATCH + 1]))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("images: 25 given, must be at least 1 and at most 24");
            assertThatThrownBy(() -> network.step(new int[1]))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("samples: 1 given, must be")
                    .hasMessageContaining("at most 24");
        }
    }

    private static Trained train(boolean batchNorm, int batchSize, List<Integer> sizes, boolean replay) {
        Schedule schedule = new Schedule(new Optimizer.Sgd(0.1, 0.9), batchSize, sizes.size());
        List<Score> scores = new ArrayList<>();
        try (ResidentNetwork network =
                new ResidentNetwork(layers(batchNorm), TRAIN, TEST, schedule, device(), replay)) {
            Random random = new Random(7);
            for (int size : sizes) {
                network.step(random.ints(size, 0, TRAIN.count()).toArray());
                scores.add(network.evaluate());
            }
            float[] losses = network.losses();
            return new Trained(
                    IntStream.range(0, losses.length).mapToObj(i -> losses[i]).toList(), scores);
        }
    }

    private static TornadoDevice device() {
        return TornadoExecutionPlan.getDevice(0, 0);
    }

    private static List<Layer> layers(boolean batchNorm) {
        Random random = new Random(3);
        List<Layer> layers = new ArrayList<>();
        layers.add(linear(WIDTH, 13, random));
        if (batchNorm) {
            layers.add(new Layer.BatchNorm(BatchNormConfig.of(13), Activations.NONE));
        }
        layers.add(new Layer.Sigmoid());
        layers.add(linear(13, CLASSES, random));
        return layers;
    }

    private static Layer linear(int inputs, int outputs, Random random) {
        float[] weight = new float[inputs * outputs];
        for (int i = 0; i < weight.length; i++) {
            weight[i] = (float) (0.3 * random.nextGaussian());
        }
        return new Layer.Linear(weight, new float[outputs]);
    }

    /** Each class has a place of its own, with noise about it. */
    private static Images images(int count, long seed) {
        Random random = new Random(seed);
        FloatArray pixels = new FloatArray(count * WIDTH);
        IntArray labels = new IntArray(count);
        for (int image = 0; image < count; image++) {
            int label = random.nextInt(CLASSES);
            labels.set(image, label);
            for (int i = 0; i < WIDTH; i++) {
                pixels.set(image * WIDTH + i, (i % CLASSES == label ? 1 : 0) + (float) (0.2 * random.nextGaussian()));
            }
        }
        return new Images(pixels, labels, WIDTH);
    }
}
