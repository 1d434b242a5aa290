package org.batchnorm.bench.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.Random;
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
