package org.batchnorm.bench.experiments.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.batchnorm.BatchNorm;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Backward against central differences of forward, for every layer and for whole networks. */
class GradientTest {
    private static final float STEP = 1f / 128;
    private static final double TOLERANCE = 2e-3;

    @ParameterizedTest
    @CsvSource({"1, 1, 1", "2, 3, 5", "7, 13, 4", "5, 8, 17"})
    void linear(int n, int inputs, int outputs) {
        check(n, Linear.he(inputs, outputs, new Random(n)));
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "3, 5", "8, 17"})
    void sigmoid(int n, int width) {
        check(n, new Sigmoid(width));
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "3, 5", "8, 17"})
    void leakyReLU(int n, int width) {
        check(n, new LeakyReLU(width, 0.25f));
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "3, 5", "8, 17"})
    void noise(int n, int width) {
        check(n, new Noise(width, 1));
    }

    @ParameterizedTest
    @CsvSource({"2, 1", "5, 3", "9, 17"})
    void batchNorm(int n, int width) {
        try (BatchNormLayer layer =
                new BatchNormLayer(BatchNorm.builder(width).backend("scalar").build())) {
            check(n, layer);
        }
    }

    @Test
    void networkThroughTheLoss() {
        Random random = new Random(5);
        int n = 6;
        try (Sequential network = new Sequential(List.of(
                Linear.he(4, 7, random),
                new LeakyReLU(7),
                new BatchNormLayer(BatchNorm.builder(7).backend("scalar").build()),
                Linear.glorot(7, 5, random),
                new Sigmoid(5),
                Linear.glorot(5, 3, random)))) {
            SoftmaxCrossEntropy loss = new SoftmaxCrossEntropy(3);
            float[] x = values(n * 4, random);
            int[] labels = random.ints(n, 0, 3).toArray();
            Sequential.Activations activations = network.activations(n);

            network.zeroGradients();
            loss.lossAndGradient(n, network.forward(activations, x, true), labels, activations.outputGradient());
            network.backward(activations);

            for (Parameter parameter : network.parameters()) {
                float[] gradient = parameter.gradient().clone();
                for (int i = 0; i < gradient.length; i++) {
                    double numeric = difference(
                            parameter.value(),
                            i,
                            () -> loss.lossAndGradient(
                                    n, network.forward(activations, x, true), labels, new float[n * 3]));
                    assertThat((double) gradient[i])
                            .as("%s[%d]", parameter.name(), i)
                            .isCloseTo(numeric, within(TOLERANCE));
                }
            }
        }
    }

    @Test
    void gradientsAddUpUntilZeroed() {
        Random random = new Random(1);
        Sequential network = new Sequential(List.of(Linear.he(3, 2, random)));
        Sequential.Activations activations = network.activations(2);
        float[] x = values(6, random);
        network.forward(activations, x, true);
        Arrays.fill(activations.outputGradient(), 1);

        network.backward(activations);
        float[] once = network.parameters().getFirst().gradient().clone();
        network.backward(activations);

        for (int i = 0; i < once.length; i++) {
            assertThat(network.parameters().getFirst().gradient()[i]).isCloseTo(2 * once[i], within(1e-6f));
        }
        network.zeroGradients();
        assertThat(network.parameters().getFirst().gradient()).containsOnly(0);
    }

    /** With r random: the gradients of Σ y·r with respect to x and to every parameter. */
    private static void check(int n, Layer layer) {
        Random random = new Random(n * 31L + layer.inputs());
        float[] x = values(n * layer.inputs(), random);
        float[] y = new float[n * layer.outputs()];
        float[] r = values(y.length, random);
        float[] dx = new float[x.length];
        layer.parameters().forEach(parameter -> Arrays.fill(parameter.gradient(), 0));
        layer.forward(n, x, y, true);
        layer.backward(n, x, y, r, dx);

        List<Parameter> checked = new ArrayList<>(layer.parameters());
        checked.add(new Parameter("x", x, dx));
        for (Parameter parameter : checked) {
            for (int i = 0; i < parameter.value().length; i++) {
                double numeric = difference(parameter.value(), i, () -> {
                    layer.forward(n, x, y, true);
                    return dot(y, r);
                });
                assertThat((double) parameter.gradient()[i])
                        .as("%s[%d]", parameter.name(), i)
                        .isCloseTo(numeric, within(TOLERANCE * Math.max(1, Math.abs(numeric))));
            }
        }
    }

    /** Fourth-order central difference of a function with respect to one of the values that it depends on. */
    private static double difference(float[] values, int index, java.util.function.DoubleSupplier function) {
        float value = values[index];
        double[] at = new double[4];
        float[] offsets = {-2 * STEP, -STEP, STEP, 2 * STEP};
        for (int i = 0; i < 4; i++) {
            values[index] = value + offsets[i];
            at[i] = function.getAsDouble();
        }
        values[index] = value;
        return (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * STEP);
    }

    private static double dot(float[] a, float[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (double) a[i] * b[i];
        }
        return sum;
    }

    /** Multiples of 1/8 between −2 and 2 and never 0: exact in float32, and away from the kink of LeakyReLU. */
    private static float[] values(int length, Random random) {
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            values[i] = (1 + random.nextInt(16)) / 8f * (random.nextBoolean() ? 1 : -1);
        }
        return values;
    }
}
