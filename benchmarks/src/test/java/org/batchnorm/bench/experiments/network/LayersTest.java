package org.batchnorm.bench.experiments.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.batchnorm.BatchNorm;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.api.Test;

class LayersTest {

    @Test
    void linearMultipliesAndAdds() {
        Linear layer = new Linear(2, 3, 0, new Random(0));
        System.arraycopy(
                new float[] {1, 2, 3, 4, 5, 6}, 0, layer.parameters().get(0).value(), 0, 6);
        System.arraycopy(new float[] {10, 20, 30}, 0, layer.parameters().get(1).value(), 0, 3);
        float[] y = new float[6];

        layer.forward(2, new float[] {1, 1, 2, -1}, y, true);

        assertThat(y).containsExactly(15, 27, 39, 8, 19, 30);
    }

    @Test
    void linearSkipsZerosAndNothingElse() {
        Random random = new Random(4);
        Linear layer = Linear.he(9, 3, random);
        float[] x = {0, 0, 0, 0, 2, 0, 0, 0, 3};
        float[] y = new float[3];

        layer.forward(1, x, y, true);
        layer.backward(1, x, y, new float[] {1, 1, 1}, null);

        float[] weight = layer.parameters().getFirst().value();
        float[] gradient = layer.parameters().getFirst().gradient();
        for (int j = 0; j < 3; j++) {
            assertThat(y[j]).isCloseTo(2 * weight[12 + j] + 3 * weight[24 + j], within(1e-6f));
        }
        assertThat(gradient)
                .containsExactly(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 3, 3);
    }

    @Test
    void dropoutKeepsTheMeanAndLetsInferenceAlone() {
        int n = 10_000;
        float[] x = new float[n];
        float[] y = new float[n];
        float[] dx = new float[n];
        Arrays.fill(x, 3);
        Dropout layer = new Dropout(1, 0.25, 1);

        layer.forward(n, x, y, true);
        layer.backward(n, x, y, x, dx);

        double sum = 0;
        for (int i = 0; i < n; i++) {
            assertThat(y[i]).isIn(0f, 4f);
            sum += y[i];
        }
        assertThat(sum / n).isCloseTo(3, within(0.1));
        assertThat(dx).isEqualTo(y);
        layer.forward(n, x, y, false);
        assertThat(y).isEqualTo(x);
        assertThatThrownBy(() -> new Dropout(1, 1, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("probability: 1.0 given, must be within [0, 1)");
    }

    @Test
    void noiseStaysWithinAStepAndGoesAtInference() {
        float[] x = {1, 2, 3, 4};
        float[] first = new float[4];
        float[] again = new float[4];
        Noise layer = new Noise(2, 1);

        layer.forward(2, x, first, true);
        layer.forward(2, x, again, true);
        assertThat(again).isEqualTo(first).isNotEqualTo(x);
        layer.nextStep();
        layer.forward(2, x, again, true);
        assertThat(again).isNotEqualTo(first);
        layer.forward(2, x, again, false);
        assertThat(again).isEqualTo(x);
    }

    @Test
    void standardizationIsBatchNormWithItsStatisticsForConstants() {
        int n = 7;
        int c = 3;
        Random random = new Random(1);
        float[] x = new float[n * c];
        float[] dy = new float[n * c];
        for (int i = 0; i < x.length; i++) {
            x[i] = 100 + random.nextFloat();
            dy[i] = random.nextFloat();
        }
        float[] y = new float[n * c];
        float[] dx = new float[n * c];
        float[] expected = new float[n * c];
        Standardization layer = new Standardization(c, true);
        try (BatchNorm batchNorm = BatchNorm.builder(c).backend("scalar").build()) {
            batchNorm.forward(x, expected, BatchShape.of(n, c));
        }

        layer.forward(n, x, y, true);
        layer.backward(n, x, y, dy, dx);

        for (int i = 0; i < x.length; i++) {
            assertThat(y[i]).isCloseTo(expected[i], within(1e-5f));
            // y = (x − mean) · factor
            int other = i >= c ? i - c : i + c;
            assertThat(dx[i] / dy[i] * (x[i] - x[other])).isCloseTo(y[i] - y[other], within(1e-3f));
        }
        new Standardization(c, false).forward(n, x, y, true);
        assertThat(y[0] - y[c]).isEqualTo(x[0] - x[c]);
    }

    @Test
    void aFixedLayerHasNoParametersAndMustBeTheFirst() {
        Linear inner = Linear.he(2, 3, new Random(1));
        Fixed layer = new Fixed(inner);
        float[] x = {1, 2};
        float[] y = new float[3];
        float[] expected = new float[3];

        layer.forward(1, x, y, true);
        inner.forward(1, x, expected, true);

        assertThat(y).isEqualTo(expected);
        assertThat(layer.parameters()).isEmpty();
        layer.backward(1, x, y, y, null);
        assertThatThrownBy(() -> layer.backward(1, x, y, y, new float[2]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("dx: an array given, must be null");
    }

    @Test
    void batchNormWithoutGammaAndBetaHasNoParameters() {
        try (BatchNormLayer layer = new BatchNormLayer(
                BatchNorm.builder(2).backend("scalar").affine(false).build())) {
            assertThat(layer.parameters()).isEmpty();
        }
    }

    @Test
    void leakyReLUAtItsKink() {
        float[] y = new float[5];
        float[] dx = new float[5];
        float[] x = {-2, -0f, 0, 3, Float.NaN};

        new LeakyReLU(5, 0.5f).forward(1, x, y, true);
        new LeakyReLU(5, 0.5f).backward(1, x, y, new float[] {1, 1, 1, 1, 1}, dx);

        assertThat(y).containsExactly(-1, -0f, 0, 3, Float.NaN);
        assertThat(dx).containsExactly(0.5f, 0.5f, 0.5f, 1, Float.NaN);
    }

    @Test
    void leakyReLURefusesASlopeOutOfRange() {
        assertThatThrownBy(() -> new LeakyReLU(3, 1.5f))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("slope: 1.5 given, must be within [0, 1]");
    }

    @Test
    void lossOfLargeLogitsIsFinite() {
        float[] gradient = new float[2];

        double loss = new SoftmaxCrossEntropy(2).lossAndGradient(1, new float[] {1000, 0}, new int[] {1}, gradient);

        assertThat(loss).isEqualTo(1000);
        assertThat(gradient).containsExactly(1, -1);
    }

    @Test
    void scoreCountsTheLargestLogit() {
        SoftmaxCrossEntropy.Score score =
                new SoftmaxCrossEntropy(3).score(2, new float[] {1, 3, 2, 0, 0, 0}, new int[] {1, 2});

        assertThat(score.correct()).isEqualTo(1);
        assertThat(score.lossSum()).isCloseTo(Math.log(1 + Math.exp(-2) + Math.exp(-1)) + Math.log(3), within(1e-6));
    }

    @Test
    void sgdFollowsItsVelocity() {
        float[] value = {1};
        Sgd sgd = new Sgd(List.of(new Parameter("p", value, new float[] {2})), 0.5, 0.5);

        sgd.step();
        assertThat(value).containsExactly(0);
        sgd.step();
        assertThat(value).containsExactly(-1.5f);
    }

    @Test
    void adamStartsWithStepsOfTheLearningRate() {
        float[] value = {1, 1, 1};
        Adam adam = new Adam(List.of(new Parameter("p", value, new float[] {2, -1e-3f, 0})), 0.1);

        adam.step();

        assertThat(value[0]).isCloseTo(0.9f, within(1e-5f));
        assertThat(value[1]).isCloseTo(1.1f, within(1e-5f));
        assertThat(value[2]).isEqualTo(1);
        adam.step();
        assertThat(value[0]).isCloseTo(0.8f, within(1e-5f));
    }

    @Test
    void sequentialRefusesLayersThatDoNotFit() {
        assertThatThrownBy(() -> new Sequential(List.of(Linear.he(2, 3, new Random(0)), new Sigmoid(4))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("layers[1]: 4 inputs given")
                .hasMessageContaining("3");
        assertThatThrownBy(() -> new Sequential(List.of())).isInstanceOf(IllegalArgumentException.class);
    }
}
