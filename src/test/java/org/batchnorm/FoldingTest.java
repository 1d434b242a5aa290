package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Random;
import org.batchnorm.Weights.Kind;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Inference as part of the weights beside the layer, against the layer itself. */
class FoldingTest {
    private static final double CLOSE = 1e-5;
    private static final Activation ACTIVATION = Activation.leakyRelu(0.1);

    private final Random random = new Random(5);

    @Test
    void aLinearLayerTakesOverTheOneBehindIt() {
        try (BatchNorm layer = trained(4)) {
            Weights before = Weights.linear(values(4 * 3), values(4), 3, 4);
            float[] x = values(10 * 3);
            float[] expected = linear(before, x);
            layer.forward(expected, expected, BatchShape.of(10, 4));
            Folding folding = Folding.of(layer);
            Weights folded = folding.into(before);
            assertThat(linear(folded, x)).usingComparatorWithPrecision(1e-5f).containsExactly(expected);
            assertThat(folding.largestChange(before, folded, x)).isBetween(1e-12, CLOSE);
        }
    }

    /** Linear, activation, batch norm, linear: the textbook's own order. */
    @Test
    void aLinearLayerTakesOverTheOneBeforeIt() {
        try (BatchNorm layer = trained(4)) {
            Weights after = Weights.linear(values(2 * 4), null, 4, 2);
            float[] x = values(10 * 4);
            float[] normalized = new float[x.length];
            layer.forward(x, normalized, BatchShape.of(10, 4));
            Folding folding = Folding.of(layer);
            Weights folded = folding.intoFollowing(after);
            assertThat(linear(folded, x))
                    .usingComparatorWithPrecision(1e-5f)
                    .containsExactly(linear(after, normalized));
            assertThat(folding.largestChangeFollowing(after, folded, x)).isBetween(1e-12, CLOSE);
        }
    }

    /** Written out as PyTorch defines them, with stride 1 and no padding, in one dimension. */
    @ParameterizedTest
    @CsvSource({"CONVOLUTION,1", "CONVOLUTION,2", "TRANSPOSED_CONVOLUTION,1", "TRANSPOSED_CONVOLUTION,2"})
    void convolutionsTakeOverTheLayerBehindThem(Kind kind, int groups) {
        try (BatchNorm layer = trained(6)) {
            Weights before = new Weights(values(6 * 4 * 3 / groups), values(6), kind, 4, 6, 3, groups);
            float[] x = values(2 * 4 * 9);
            float[] expected = convolution(before, x, 2, 9);
            layer.forward(expected, expected, BatchShape.channelsFirst(2, 6, expected.length / 12));
            Weights folded = Folding.of(layer).into(before);
            assertThat(convolution(folded, x, 2, 9))
                    .usingComparatorWithPrecision(1e-5f)
                    .containsExactly(expected);
            float[] patches = values(7 * 4 * 3);
            assertThat(Folding.of(layer).largestChange(before, folded, patches)).isBetween(1e-12, CLOSE);
            Weights wrong = new Weights(folded.weight(), values(6), kind, 4, 6, 3, groups);
            assertThat(Folding.of(layer).largestChange(before, wrong, patches)).isGreaterThan(0.01);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aConvolutionTakesOverTheLayerBeforeIt(int groups) {
        try (BatchNorm layer = trained(4)) {
            Weights after = new Weights(values(6 * 4 * 3 / groups), values(6), Kind.CONVOLUTION, 4, 6, 3, groups);
            float[] x = values(2 * 4 * 9);
            float[] normalized = new float[x.length];
            layer.forward(x, normalized, BatchShape.channelsFirst(2, 4, 9));
            Weights folded = Folding.of(layer).intoFollowing(after);
            assertThat(convolution(folded, x, 2, 9))
                    .usingComparatorWithPrecision(1e-5f)
                    .containsExactly(convolution(after, normalized, 2, 9));
            float[] patches = values(7 * 4 * 3);
            assertThat(Folding.of(layer).largestChangeFollowing(after, folded, patches))
                    .isBetween(1e-12, CLOSE);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"ZERO_PADDED_CONVOLUTION", "TRANSPOSED_CONVOLUTION"})
    void zerosAddedAfterNormalizationKeepTheLayerFromBeingFolded(Kind kind) {
        try (BatchNorm layer = trained(4)) {
            Weights after = new Weights(values(4 * 4), null, kind, 4, 4, 1, 1);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> Folding.of(layer).intoFollowing(after))
                    .withMessageContaining("after: " + kind + " given, must be linear")
                    .withMessageContaining("zeros");
            Arrays.fill(layer.runningMean(), 0);
            Arrays.fill(layer.bias(), 0);
            Weights folded = Folding.of(layer).intoFollowing(after);
            assertThat(folded.weight()[0])
                    .isCloseTo((float) (after.weight()[0] * Folding.of(layer).scale()[0]), within(1e-6f));
        }
    }

    /** The textbook's network: the activation before batch norm stays outside, in front of the folded weights. */
    @Test
    void anActivationBeforeBatchNormStaysBeforeTheWeightsAfterIt() {
        try (BatchNorm layer = trained(BatchNorm.builder(4).inputActivation(ACTIVATION))) {
            Weights after = Weights.linear(values(2 * 4), values(2), 4, 2);
            float[] x = values(10 * 4);
            float[] normalized = new float[x.length];
            layer.forward(x, normalized, BatchShape.of(10, 4));
            Folding folding = Folding.of(layer);
            Weights folded = folding.intoFollowing(after);
            assertThat(linear(folded, activated(x)))
                    .usingComparatorWithPrecision(1e-5f)
                    .containsExactly(linear(after, normalized));
            assertThat(folding.largestChangeFollowing(after, folded, activated(x)))
                    .isBetween(1e-12, CLOSE);

            Weights before = Weights.linear(values(3 * 4), null, 3, 4);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> folding.into(before))
                    .withMessageContaining("before: weights given, but the layer's inputActivation leakyRelu(0.1) lies")
                    .withMessageContaining("must be the weights after the layer, by intoFollowing");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> folding.largestChange(before, before, values(3)))
                    .withMessageContaining("before: weights given");
        }
    }

    @Test
    void anActivationAfterBatchNormStaysBehindTheWeightsBeforeIt() {
        try (BatchNorm layer = trained(BatchNorm.builder(4).activation(ACTIVATION))) {
            Weights before = Weights.linear(values(4 * 3), values(4), 3, 4);
            float[] x = values(10 * 3);
            float[] expected = linear(before, x);
            layer.forward(expected, expected, BatchShape.of(10, 4));
            Folding folding = Folding.of(layer);
            Weights folded = folding.into(before);
            assertThat(activated(linear(folded, x)))
                    .usingComparatorWithPrecision(1e-5f)
                    .containsExactly(expected);
            assertThat(folding.largestChange(before, folded, x)).isBetween(1e-12, CLOSE);

            Weights after = Weights.linear(values(2 * 4), null, 4, 2);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> folding.intoFollowing(after))
                    .withMessageContaining("after: weights given, but the layer's activation leakyRelu(0.1) lies")
                    .withMessageContaining("must be the weights before the layer, by into");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> folding.largestChangeFollowing(after, after, values(4)))
                    .withMessageContaining("after: weights given");
        }
    }

    /** Weights in double of a layer of FLOAT64 keep its digits, where those of float32 cannot. */
    @Test
    void weightsOfFloat64AreFoldedInFloat64() {
        try (BatchNorm layer = BatchNorm.builder(4)
                .elementType(ElementType.FLOAT64)
                .backend("scalar")
                .build()) {
            for (int c = 0; c < 4; c++) {
                layer.doubleWeight()[c] = 0.3 + c;
                layer.doubleBias()[c] = 1.1 - c;
                layer.doubleRunningMean()[c] = 1e3 / (c + 3);
                layer.doubleRunningVar()[c] = 0.7 + c * c;
            }
            Weights before = Weights.linear(doubles(4 * 3), doubles(4), 3, 4);
            double[] x = doubles(10 * 3);
            double[] expected = linear(before, x);
            BatchShape shape = BatchShape.of(10, 4);
            layer.eval().forward(Batch.of(expected, shape), Batch.of(expected, shape));
            Folding folding = Folding.of(layer);
            Weights folded = folding.into(before);
            assertThat(folded.type()).isEqualTo(ElementType.FLOAT64);
            assertThat(linear(folded, x)).usingComparatorWithPrecision(1e-11).containsExactly(expected);
            assertThat(folding.largestChange(before, folded, x)).isBetween(1e-16, 1e-11);

            Weights after = Weights.ofDoubles(doubles(2 * 4 * 3), null, Kind.CONVOLUTION, 4, 2, 3, 1);
            Weights foldedAfter = folding.intoFollowing(after);
            double c0 = folding.scale()[0];
            assertThat(foldedAfter.doubleWeight()[1]).isEqualTo(after.doubleWeight()[1] * c0);
            assertThat(folding.largestChangeFollowing(after, foldedAfter, doubles(7 * 12)))
                    .isBetween(1e-16, 1e-11);

            assertThatIllegalStateException().isThrownBy(folded::weight).withMessageContaining("double[]");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> Weights.linear(new double[5], null, 2, 3))
                    .withMessageContaining("weight: double[5] given, must have the 6 values");
        }
    }

    @Test
    void aLayerWithoutParametersIsOnesAndZeros() {
        try (BatchNorm layer = BatchNorm.builder(2).affine(false).eps(0.5).build()) {
            layer.runningMean()[1] = 3;
            layer.runningVar()[1] = 3.5f;
            Folding folding = Folding.of(layer);
            assertThat(folding.scale()).containsExactly(1 / Math.sqrt(1.5), 0.5);
            assertThat(folding.offset()).containsExactly(0, -1.5);
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        try (BatchNorm layer = trained(4);
                BatchNorm untracked =
                        BatchNorm.builder(4).trackRunningStatistics(false).build()) {
            Folding folding = Folding.of(layer);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> folding.into(Weights.linear(values(6), null, 2, 3)))
                    .withMessage("before: 3 outputs given, must be the layer's 4 features");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> folding.intoFollowing(Weights.linear(values(6), null, 2, 3)))
                    .withMessage("after: 2 inputs given, must be the layer's 4 features");
            Weights before = Weights.linear(values(8), null, 2, 4);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> folding.largestChange(before, before, values(3)))
                    .withMessageContaining("samples: float[3] given, must be whole samples of 2");
            assertThatIllegalStateException().isThrownBy(() -> Folding.of(untracked));
            layer.runningVar()[2] = -1;
            assertThatIllegalStateException()
                    .isThrownBy(() -> Folding.of(layer))
                    .withMessageContaining("running_mean -0.5 and running_var -1.0");
        }
    }

    @Test
    void onlyWeightsOfTheSameLayerAreCompared() {
        try (BatchNorm layer = trained(4)) {
            Folding folding = Folding.of(layer);
            Weights before = Weights.linear(values(8), null, 2, 4);
            Weights other = Weights.linear(values(10), null, 2, 5);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> folding.largestChange(before, other, values(2)))
                    .withMessageContaining("folded: a layer of 2 inputs, 5 outputs");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> folding.largestChange(before, null, values(2)))
                    .withMessageContaining("folded: null given");
        }
    }

    @Test
    void weightsTellWhatIsWrong() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Weights(new float[18], null, Kind.LINEAR, 2, 3, 3, 1))
                .withMessageContaining("kernel: 3 and groups: 1 given, must both be 1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Weights(new float[0], null, Kind.CONVOLUTION, 1 << 30, 1 << 30, 16, 1))
                .withMessageContaining("weight: float[0] given");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Weights.linear(new float[5], null, 2, 3))
                .withMessageContaining("weight: float[5] given, must have the 6 values");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Weights.linear(new float[6], new float[2], 2, 3))
                .withMessageContaining("bias: float[2] given, must have one value for each of the 3 outputs");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Weights(new float[6], null, Kind.CONVOLUTION, 2, 3, 1, 2))
                .withMessageContaining("groups: 2 given, must divide");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Weights.linear(new float[6], null, 0, 3))
                .withMessageContaining("in: 0 given, must be at least 1");
    }

    private static BatchNorm trained(int features) {
        return trained(BatchNorm.builder(features));
    }

    private static BatchNorm trained(BatchNormBuilder builder) {
        BatchNorm layer = builder.backend("scalar").build();
        for (int c = 0; c < layer.config().features(); c++) {
            layer.weight()[c] = 0.5f + c;
            layer.bias()[c] = 1 - c;
            layer.runningMean()[c] = 0.25f * c - 1;
            layer.runningVar()[c] = 0.5f + c * c;
        }
        return layer.eval();
    }

    private float[] values(int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    private double[] doubles(int count) {
        return random.doubles(count, -2, 2).toArray();
    }

    private static float[] activated(float[] x) {
        float[] results = x.clone();
        for (int i = 0; i < results.length; i++) {
            results[i] = ACTIVATION.of(results[i]);
        }
        return results;
    }

    private static float[] linear(Weights w, float[] x) {
        double[] wide = new double[x.length];
        Arrays.setAll(wide, i -> x[i]);
        double[] y = linear(w, wide);
        float[] rounded = new float[y.length];
        for (int i = 0; i < rounded.length; i++) {
            rounded[i] = (float) y[i];
        }
        return rounded;
    }

    private static double[] linear(Weights w, double[] x) {
        int n = x.length / w.in();
        double[] y = new double[n * w.out()];
        for (int r = 0; r < n; r++) {
            for (int o = 0; o < w.out(); o++) {
                double sum = w.bias(o);
                for (int i = 0; i < w.in(); i++) {
                    sum += x[r * w.in() + i] * w.weight(o * w.in() + i);
                }
                y[r * w.out() + o] = sum;
            }
        }
        return y;
    }

    /** (n, in, length) to (n, out, length − kernel + 1), transposed to (n, out, length + kernel − 1). */
    private static float[] convolution(Weights w, float[] x, int n, int length) {
        boolean transposed = w.kind() == Kind.TRANSPOSED_CONVOLUTION;
        int outLength = transposed ? length + w.kernel() - 1 : length - w.kernel() + 1;
        double[] y = new double[n * w.out() * outLength];
        int inOfGroup = w.in() / w.groups();
        int outOfGroup = w.out() / w.groups();
        for (int image = 0; image < n; image++) {
            for (int o = 0; o < w.out(); o++) {
                int to = (image * w.out() + o) * outLength;
                int group = o / outOfGroup;
                for (int i = group * inOfGroup; i < (group + 1) * inOfGroup; i++) {
                    int from = (image * w.in() + i) * length;
                    for (int k = 0; k < w.kernel(); k++) {
                        for (int s = 0; s < (transposed ? length : outLength); s++) {
                            if (transposed) {
                                int at = (i * outOfGroup + o % outOfGroup) * w.kernel() + k;
                                y[to + s + k] += (double) x[from + s] * w.weight()[at];
                            } else {
                                int at = (o * inOfGroup + i % inOfGroup) * w.kernel() + k;
                                y[to + s] += (double) x[from + s + k] * w.weight()[at];
                            }
                        }
                    }
                }
            }
        }
        float[] rounded = new float[y.length];
        for (int j = 0; j < y.length; j++) {
            int o = j / outLength % w.out();
            rounded[j] = (float) (y[j] + (w.bias() != null ? w.bias()[o] : 0));
        }
        return rounded;
    }
}
