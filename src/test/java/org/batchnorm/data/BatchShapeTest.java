package org.batchnorm.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.batchnorm.conformance.Reference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Shapes from extents and strides. */
class BatchShapeTest {

    static Stream<Arguments> denseTensors() {
        return Stream.of(
                dense("NC", axes(5, 3), axes(3, 1), BatchShape.of(5, 3)),
                dense("CN", axes(5, 3), axes(1, 5), BatchShape.channelsFirst(1, 3, 5)),
                dense("NCL", axes(2, 3, 4), axes(12, 4, 1), BatchShape.channelsFirst(2, 3, 4)),
                dense("NLC", axes(2, 3, 4), axes(12, 1, 3), BatchShape.channelsLast(2, 3, 4)),
                dense("NCHW", axes(2, 3, 4, 5), axes(60, 20, 5, 1), BatchShape.channelsFirst(2, 3, 4, 5)),
                dense("NHWC", axes(2, 3, 4, 5), axes(60, 1, 15, 3), BatchShape.channelsLast(2, 3, 4, 5)),
                dense("NCWH", axes(2, 3, 4, 5), axes(60, 20, 1, 4), BatchShape.channelsFirst(2, 3, 20)),
                dense("NWHC", axes(2, 3, 4, 5), axes(60, 1, 3, 12), BatchShape.channelsLast(2, 3, 20)),
                dense("HWNC", axes(2, 3, 4, 5), axes(3, 1, 30, 6), BatchShape.channelsLast(2, 3, 20)),
                dense("CNHW", axes(2, 3, 4, 5), axes(20, 40, 5, 1), BatchShape.channelsFirst(1, 3, 40)),
                dense("NHCW", axes(2, 3, 4, 5), axes(60, 5, 15, 1), BatchShape.channelsFirst(8, 3, 5)),
                dense("NCDHW", axes(2, 3, 4, 5, 6), axes(360, 120, 30, 6, 1), BatchShape.channelsFirst(2, 3, 120)),
                dense("one sample", axes(1, 3, 4), axes(999, 1, 3), BatchShape.channelsLast(1, 3, 4)),
                dense("one feature", axes(2, 1, 4), axes(4, -7, 1), BatchShape.channelsFirst(2, 1, 4)),
                dense("one position", axes(2, 3, 1, 1), axes(3, 1, 0, 8), BatchShape.channelsLast(2, 3, 1)),
                dense("one value", axes(1, 1), axes(0, 0), BatchShape.of(1, 1)),
                dense("no samples", axes(0, 3, 4), axes(0, 0, 0), BatchShape.channelsFirst(0, 3, 4)),
                dense("no positions", axes(2, 3, 0, 4), axes(0, 0, 0, 0), BatchShape.channelsFirst(2, 3, 0)));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("denseTensors")
    void aDenseTensorCollapses(String order, long[] extents, long[] strides, BatchShape expected) {
        assertThat(BatchShape.ofStrides(extents, strides)).isEqualTo(expected);
    }

    /** Whatever the order of the axes: the feature of the value at each place in memory is the right one. */
    @Test
    void everyOrderOfTheAxesKeepsEveryValueInItsFeature() {
        Random random = new Random(3);
        for (int i = 0; i < 500; i++) {
            long[] extents = new long[2 + random.nextInt(4)];
            Arrays.setAll(extents, axis -> 1 + random.nextInt(4));
            long[] strides = new long[extents.length];
            Map<Integer, Boolean> placed = new HashMap<>();
            long dense = 1;
            while (placed.size() < extents.length) {
                int axis = random.nextInt(extents.length);
                if (placed.put(axis, true) == null) {
                    strides[axis] = dense;
                    dense *= extents[axis];
                }
            }
            BatchShape shape = BatchShape.ofStrides(extents, strides);
            assertThat(shape.elements()).isEqualTo(dense);
            for (long index = 0; index < dense; index++) {
                long feature = index / strides[1] % extents[1];
                assertThat(Reference.feature(shape, index))
                        .as("%s, %s", Arrays.toString(extents), Arrays.toString(strides))
                        .isEqualTo((int) feature);
            }
        }
    }

    static Stream<Arguments> otherTensors() {
        return Stream.of(
                other(
                        axes(2, 3, 4),
                        axes(24, 4, 1),
                        "strides[0]: 24 given in strides [24, 4, 1] of extents [2, 3, 4], must be 12, as many elements"
                                + " as lie within that axis: the values have gaps between them; give a dense copy"),
                other(axes(2, 3), axes(6, 2), "strides[1]: 2 given in strides [6, 2] of extents [2, 3], must be 1"),
                other(axes(2, 3), axes(2, 1), "strides[0]: 2 given in strides [2, 1] of extents [2, 3], must be 3"),
                other(axes(2, 3), axes(2, 1), "the values overlap; give a dense copy"),
                other(axes(2, 3), axes(0, 1), "strides[0]: 0 given"),
                other(axes(2, 3), axes(-3, 1), "strides[0]: -3 given"),
                other(axes(3, 3), axes(1, 1), "the values overlap"),
                other(axes(5), axes(1), "strides: 1 given for 1 extents, must be one for each of N, C and the spatial"),
                other(axes(5, 3), axes(3, 1, 1), "strides: 3 given for 2 extents"),
                other(axes(-1, 3), axes(3, 1), "n: -1 given, must be at least 0 samples"),
                other(axes(2, 0), axes(3, 1), "c: 0 given, must be at least 1 feature"),
                other(axes(2, 1L << 31), axes(1, 2), "extents[1]: 2147483648 given, must be at most 2147483647"),
                other(axes(2, 3, -1), axes(3, 1, 1), "spatial[0]: -1 given, must be at least 0 spatial positions"),
                other(axes(1L << 61, 1), axes(1, 1), "floats do not fit in 2^63 - 1 bytes"));
    }

    @ParameterizedTest
    @MethodSource("otherTensors")
    void whatDoesNotCollapseIsRefused(long[] extents, long[] strides, String message) {
        assertThatThrownBy(() -> BatchShape.ofStrides(extents, strides))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
    }

    /** Where there is one position only, two names of the same memory are the same shape. */
    @Test
    void theLayoutOfOnePositionDoesNotMatter() {
        assertThat(BatchShape.channelsLast(5, 3)).isEqualTo(BatchShape.of(5, 3));
        assertThat(BatchShape.channelsLast(5, 3, 1, 1)).isEqualTo(BatchShape.channelsFirst(5, 3, 1));
        assertThat(BatchShape.channelsLast(5, 3, 2)).isNotEqualTo(BatchShape.channelsFirst(5, 3, 2));
    }

    private static Arguments dense(String order, long[] extents, long[] strides, BatchShape expected) {
        return Arguments.of(order, extents, strides, expected);
    }

    private static Arguments other(long[] extents, long[] strides, String message) {
        return Arguments.of(extents, strides, message);
    }

    private static long[] axes(long... values) {
        return values;
    }
}
