package org.batchnorm.bench.experiments.djl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.training.GradientCollector;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** One cut, beside DJL's own batch normalization within its graph. */
class CutLayerTest {
    private static final float KEPT = 0.9f;
    private static final float EPS = 1e-5f;

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"13x5", "4x5x7", "4x5x3x7"})
    void valuesAndGradientsAreDjlsOwn(String extents) {
        Shape shape = new Shape(
                Arrays.stream(extents.split("x")).mapToLong(Long::parseLong).toArray());
        NDArray x = manager.randomUniform(-1, 3, shape);
        NDArray dy = manager.randomUniform(-1, 1, shape);
        NDArray gamma = manager.create(new float[] {1, 2, -1, 0.5f, 3});
        NDArray beta = manager.create(new float[] {0, 1, -1, 2, 0.25f});
        NDArray mean = manager.zeros(new Shape(5));
        NDArray variance = manager.ones(new Shape(5));
        NDArray own = x.duplicate();
        for (NDArray array : new NDArray[] {own, gamma, beta, x}) {
            array.setRequiresGradient(true);
        }

        try (CutLayer layer = new CutLayer("bn", 5);
                GradientCollector collector = manager.getEngine().newGradientCollector()) {
            NDArray expected = BatchNorm.batchNorm(own, mean, variance, gamma, beta, 1, KEPT, EPS, true)
                    .singletonOrThrow();
            collector.backward(expected.mul(dy).sum());
            System.arraycopy(gamma.toFloatArray(), 0, layer.layer().weight(), 0, 5);
            System.arraycopy(beta.toFloatArray(), 0, layer.layer().bias(), 0, 5);

            // Something before the cut, which hands the gradient on twofold.
            NDArray y = layer.forward(x.mul(2).div(2));
            collector.backward(y.mul(dy).sum());
            collector.backward(layer.backward());

            same(y, expected, 1e-6);
            same(x.getGradient(), own.getGradient(), 1e-5);
            assertThat(layer.layer().weightGradient())
                    .containsExactly(gamma.getGradient().toFloatArray(), within(1e-4f));
            assertThat(layer.layer().biasGradient())
                    .containsExactly(beta.getGradient().toFloatArray(), within(1e-4f));
            assertThat(layer.layer().runningMean()).containsExactly(mean.toFloatArray(), within(1e-6f));
            assertThat(layer.layer().runningVar()).containsExactly(variance.toFloatArray(), within(1e-6f));
        }
    }

    @Test
    void inferenceIsNoPartOfAGraph() {
        try (CutLayer layer = new CutLayer("bn", 2)) {
            layer.layer().eval();
            NDArray y = layer.forward(manager.create(new float[] {1, 2, 3, 4}, new Shape(2, 2)));
            assertThat(y.hasGradient()).isFalse();
            assertThat(y.toFloatArray()).containsExactly(new float[] {1, 2, 3, 4}, within(1e-4f));
            assertThatThrownBy(layer::backward)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("backward of bn: no forward in training came before");
        }
    }

    @Test
    void refusesWhatItCannotReadInPlace() {
        try (CutLayer layer = new CutLayer("bn", 2)) {
            assertThatThrownBy(() -> layer.forward(manager.ones(new Shape(2, 2), DataType.FLOAT64)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("h of bn: float64 of shape (2, 2) on cpu() given, must be float32");
            assertThatThrownBy(() -> layer.forward(manager.ones(new Shape(2)))).hasMessageContaining("of shape (2)");
            assertThatThrownBy(() -> layer.forward(manager.ones(new Shape(4, 3))))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    private static void same(NDArray given, NDArray expected, double tolerance) {
        assertThat(given.toFloatArray()).containsExactly(expected.toFloatArray(), within((float) tolerance));
    }
}
