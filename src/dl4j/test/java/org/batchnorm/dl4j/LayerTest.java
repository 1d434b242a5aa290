package org.batchnorm.dl4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.batchnorm.dl4j.LayerPair.backward;
import static org.batchnorm.dl4j.LayerPair.forward;
import static org.batchnorm.dl4j.Samples.difference;
import static org.batchnorm.dl4j.Samples.normal;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.deeplearning4j.nn.conf.CNN2DFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.nd4j.common.primitives.Pair;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.indexing.NDArrayIndex;
import org.nd4j.linalg.ops.transforms.Transforms;

/** One layer of this library's beside Deeplearning4j's own, over memory orders, views and what is left to that one. */
class LayerTest {
    private static final double TOLERANCE = 5e-6;

    static Stream<List<Integer>> permutationsOfFour() {
        List<List<Integer>> permutations = new ArrayList<>();
        for (int code = 0; code < 256; code++) {
            List<Integer> axes = List.of(code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6);
            if (axes.stream().distinct().count() == 4) {
                permutations.add(axes);
            }
        }
        assertThat(permutations).hasSize(24);
        return permutations.stream();
    }

    /** An array of the given shape whose axes lie in memory as named, the outermost first. */
    private static INDArray inMemoryOrder(long seed, List<Integer> outermostFirst, long... shape) {
        long[] inMemory = outermostFirst.stream().mapToLong(axis -> shape[axis]).toArray();
        int[] back = new int[shape.length];
        for (int i = 0; i < back.length; i++) {
            back[outermostFirst.get(i)] = i;
        }
        return normal(seed, inMemory).permute(back);
    }

    @ParameterizedTest
    @MethodSource("permutationsOfFour")
    void anyMemoryOrderOfImages(List<Integer> order) {
        INDArray x = inMemoryOrder(1, order, 4, 3, 5, 6);
        INDArray dy = inMemoryOrder(2, order, 4, 3, 5, 6);
        Pair<INDArray, INDArray> result =
                new LayerPair(new BatchNormalization.Builder(), 3).assertSame(x, dy, TOLERANCE);
        assertThat(result.getFirst().stride()).as("y lies as x does").isEqualTo(x.stride());
        assertThat(result.getSecond().stride()).as("dx lies as x does").isEqualTo(x.stride());
    }

    @ParameterizedTest
    @MethodSource("permutationsOfFour")
    void anyMemoryOrderOfChannelsLastAndAnotherOfTheGradient(List<Integer> order) {
        INDArray x = inMemoryOrder(1, order, 4, 5, 6, 3);
        INDArray dy = normal(2, 4, 5, 6, 3);
        org.deeplearning4j.nn.conf.layers.BatchNormalization.Builder settings =
                new BatchNormalization.Builder().dataFormat(CNN2DFormat.NHWC);
        Pair<INDArray, INDArray> result = new LayerPair(settings, 3).assertSame(x, dy, TOLERANCE);
        assertThat(result.getSecond().stride()).as("dx lies as x does").isEqualTo(x.stride());
    }

    @Test
    void rowsInBothOrders() {
        for (org.deeplearning4j.nn.conf.layers.BatchNormalization.Builder settings : List.of(
                new BatchNormalization.Builder(),
                new BatchNormalization.Builder().useLogStd(false),
                new BatchNormalization.Builder().dataFormat(CNN2DFormat.NHWC))) {
            new LayerPair(settings, 7).assertSame(normal(1, 30, 7), normal(2, 30, 7), TOLERANCE);
            new LayerPair(settings, 7).assertSame(normal(1, 7, 30).transpose(), normal(2, 30, 7), TOLERANCE);
            new LayerPair(settings, 7)
                    .assertSame(normal(1, 30, 7).dup('f'), normal(2, 30, 7).dup('f'), TOLERANCE);
        }
    }

    @Test
    void extentsOfOne() {
        new LayerPair(new BatchNormalization.Builder(), 1).assertSame(normal(1, 30, 1), normal(2, 30, 1), TOLERANCE);
        new LayerPair(new BatchNormalization.Builder(), 1)
                .assertSame(normal(1, 3, 1, 4, 5), normal(2, 3, 1, 4, 5), TOLERANCE);
        new LayerPair(new BatchNormalization.Builder(), 3)
                .assertSame(normal(1, 1, 3, 4, 5), normal(2, 1, 3, 4, 5), TOLERANCE);
        new LayerPair(new BatchNormalization.Builder(), 3)
                .assertSame(normal(1, 9, 3, 1, 1), normal(2, 9, 3, 1, 1), TOLERANCE);
    }

    /** A view that begins within its buffer, whose address does not tell so. */
    @Test
    void viewsOfPartsOfAnArray() {
        INDArray x = normal(1, 50, 7).get(NDArrayIndex.interval(13, 43), NDArrayIndex.all());
        INDArray dy = normal(2, 50, 7).get(NDArrayIndex.interval(20, 50), NDArrayIndex.all());
        assertThat(x.offset()).isEqualTo(13 * 7);
        new LayerPair(new BatchNormalization.Builder(), 7).assertSame(x, dy, TOLERANCE);
        new LayerPair(new BatchNormalization.Builder(), 7)
                .assertSame(x.get(NDArrayIndex.interval(3, 30), NDArrayIndex.all()), dy.getRows(rows(27)), TOLERANCE);
    }

    private static int[] rows(int count) {
        return Stream.iterate(0, i -> i < count, i -> i + 1).mapToInt(i -> i).toArray();
    }

    @Test
    void viewsWithGapsAndRepeatedValues() {
        INDArray columns = normal(1, 30, 20).get(NDArrayIndex.all(), NDArrayIndex.interval(4, 11));
        INDArray stepped = normal(2, 60, 7).get(NDArrayIndex.interval(0, 2, 60), NDArrayIndex.all());
        INDArray repeated = normal(3, 1, 7).broadcast(30, 7);
        new LayerPair(new BatchNormalization.Builder(), 7).assertSame(columns, stepped, TOLERANCE);
        new LayerPair(new BatchNormalization.Builder(), 7).assertSame(stepped, columns, TOLERANCE);
        new LayerPair(new BatchNormalization.Builder(), 7).assertSame(columns, repeated, TOLERANCE);
        INDArray images = normal(1, 4, 9, 5, 6)
                .get(NDArrayIndex.all(), NDArrayIndex.interval(2, 5), NDArrayIndex.all(), NDArrayIndex.all());
        new LayerPair(new BatchNormalization.Builder(), 3).assertSame(images, normal(2, 4, 3, 5, 6), TOLERANCE);
    }

    @Test
    void inputsOfAnotherTypeThanTheLayers() {
        INDArray x = normal(1, 30, 7).castTo(DataType.DOUBLE);
        new LayerPair(new BatchNormalization.Builder(), 7).assertSame(x, normal(2, 30, 7), TOLERANCE);
    }

    @Test
    void lockedGammaAndBeta() {
        for (org.deeplearning4j.nn.conf.layers.BatchNormalization.Builder settings : List.of(
                new BatchNormalization.Builder(true),
                new BatchNormalization.Builder(1.5, -0.5, true),
                new BatchNormalization.Builder(1.5, 0, true),
                new BatchNormalization.Builder(1, -0.5, true))) {
            new LayerPair(settings, 7).assertSame(normal(1, 30, 7), normal(2, 30, 7), TOLERANCE);
            new LayerPair(settings, 3).assertSame(normal(1, 4, 3, 5, 6), normal(2, 4, 3, 5, 6), TOLERANCE);
        }
    }

    @Test
    void otherTypesAreDeeplearning4js() {
        for (DataType type : List.of(DataType.DOUBLE, DataType.FLOAT16)) {
            INDArray x = normal(1, 30, 7).castTo(type);
            INDArray dy = normal(2, 30, 7).castTo(type);
            LayerPair pair = new LayerPair(new BatchNormalization.Builder(), 7, type);
            assertThat(difference(forward(pair.ours, x, true), forward(pair.own, x, true)))
                    .isZero();
            assertThat(difference(
                            backward(pair.ours, dy).getSecond(),
                            backward(pair.own, dy).getSecond()))
                    .isZero();
        }
    }

    @Test
    void oneValuePerFeatureInTrainingIsDeeplearning4js() {
        INDArray x = normal(1, 1, 3, 1, 1);
        LayerPair pair = new LayerPair(new BatchNormalization.Builder(), 3);
        assertThat(difference(forward(pair.ours, x, true), forward(pair.own, x, true)))
                .isZero();
        assertThat(difference(
                        backward(pair.ours, x).getSecond(),
                        backward(pair.own, x).getSecond()))
                .isZero();
        assertThat(difference(forward(pair.ours, x, false), forward(pair.own, x, false)))
                .isLessThan(TOLERANCE);
        forward(pair.ours, normal(1, 5, 3, 1, 1), true);
        assertThat(difference(backward(pair.ours, normal(2, 5, 3, 1, 1)).getSecond(), normal(2, 5, 3, 1, 1)))
                .isPositive();
    }

    @Test
    void whatDeeplearning4jRefusesIsRefusedTheSameWay() {
        for (long[] shape : new long[][] {{5, 7}, {5, 7, 4}, {5, 3, 4}, {2, 3, 4, 5, 6}, {2, 4, 5, 6}, {3}}) {
            LayerPair pair = new LayerPair(new BatchNormalization.Builder(), 3);
            INDArray x = normal(1, shape);
            Throwable expected = catchThrowable(() -> forward(pair.own, x, true));
            assertThatThrownBy(() -> forward(pair.ours, x, true))
                    .hasSameClassAs(expected)
                    .hasMessage(
                            expected.getMessage() == null
                                    ? null
                                    : expected.getMessage().replace("BatchNormalization)", "BatchNormalizationLayer)"));
        }
    }

    @Test
    void aGradientOfAnotherShapeIsRefused() {
        LayerPair pair = new LayerPair(new BatchNormalization.Builder(), 7);
        forward(pair.ours, normal(1, 30, 7), true);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> backward(pair.ours, normal(2, 29, 7)))
                .withMessageContaining("epsilon: shape [29, 7] given")
                .withMessageContaining("(30, 7)");
    }

    @Test
    void backwardMayComeTwice() {
        LayerPair pair = new LayerPair(new BatchNormalization.Builder(), 7);
        INDArray x = normal(1, 30, 7);
        forward(pair.ours, x, true);
        INDArray first = backward(pair.ours, normal(2, 30, 7)).getSecond();
        INDArray gradients = pair.ours.getGradientsViewArray().dup();
        backward(pair.ours, normal(3, 30, 7));
        assertThat(pair.ours.getGradientsViewArray()).isNotEqualTo(gradients);
        assertThat(backward(pair.ours, normal(2, 30, 7)).getSecond()).isEqualTo(first);
        assertThat(pair.ours.getGradientsViewArray()).isEqualTo(gradients);
    }

    /** The gradient of what the forward in test mode computes, as a frozen layer that hands gradients on needs it. */
    @Test
    void backwardAfterTestModeIsThatOfTheRunningStatistics() {
        LayerPair pair =
                new LayerPair(new BatchNormalization.Builder().useLogStd(false).eps(1e-3), 7);
        INDArray dy = normal(2, 30, 7);
        forward(pair.ours, normal(1, 30, 7), false);
        INDArray scale = pair.ours
                .getParam("gamma")
                .div(Transforms.sqrt(pair.ours.getParam("var").add(1e-3)));
        INDArray dx = backward(pair.ours, dy).getSecond();
        assertThat(difference(dx, dy.mulRowVector(scale))).isLessThan(TOLERANCE);
        // The running statistics stay.
        assertThat(pair.ours
                        .getGradientsViewArray()
                        .get(NDArrayIndex.all(), NDArrayIndex.interval(14, 28))
                        .amaxNumber()
                        .doubleValue())
                .isLessThan(1e-6);
    }

    @Test
    void theSameNumbersAgain() {
        LayerPair pair = new LayerPair(new BatchNormalization.Builder(), 7);
        INDArray x = normal(1, 300, 7);
        INDArray first = forward(pair.ours, x, true);
        assertThat(forward(pair.ours, x, true)).isEqualTo(first);
    }
}
