package org.batchnorm.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class TensorTest {

    @Test
    void keepsTypeShapeAndElements() {
        Tensor tensor = Tensor.ofFloats(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
        assertThat(tensor.dtype()).isEqualTo(DType.F32);
        assertThat(tensor.shape()).containsExactly(2, 3);
        assertThat(tensor.elements()).isEqualTo(6);
        assertThat(tensor.floats()).containsExactly(1, 2, 3, 4, 5, 6);
        assertThat(tensor).hasToString("F32[2, 3]");
        assertThat(Tensor.ofDoubles(new double[] {0.5}, 1).doubles()).containsExactly(0.5);
        assertThat(Tensor.ofLongs(new long[] {7, 8}, 2).longs()).containsExactly(7, 8);
    }

    @Test
    void noExtentsMakeAScalar() {
        Tensor count = Tensor.ofLong(42);
        assertThat(count.shape()).isEmpty();
        assertThat(count.elements()).isEqualTo(1);
        assertThat(count.longs()).containsExactly(42);
    }

    @Test
    void isNotChangedThroughWhatWentInOrCameOut() {
        float[] data = {1, 2};
        long[] shape = {2};
        Tensor tensor = Tensor.ofFloats(data, shape);
        data[0] = 9;
        shape[0] = 9;
        tensor.floats()[1] = 9;
        tensor.shape()[0] = 9;
        assertThat(tensor).isEqualTo(Tensor.ofFloats(new float[] {1, 2}, 2));
    }

    @Test
    void theElementsMustBeAsManyAsTheShapeSays() {
        assertThatThrownBy(() -> Tensor.ofFloats(new float[5], 2, 3))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("data: 5 elements given, must be 6, the product of the shape [2, 3]");
        assertThatThrownBy(() -> Tensor.ofFloats(new float[1], 1, -1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("shape[1]: -1 given, must be at least 0");
        assertThatThrownBy(() -> Tensor.ofFloats(new float[1], 1L << 32, 1L << 32))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("shape", "4294967296", "overflows", "2^63 - 1");
        assertThat(Tensor.ofFloats(new float[0], Long.MAX_VALUE, Long.MAX_VALUE, 0)
                        .elements())
                .isZero();
    }

    @Test
    void equalityIsByTypeShapeAndBits() {
        Tensor tensor = Tensor.ofDoubles(new double[] {0.0, Double.NaN}, 2);
        assertThat(tensor).isEqualTo(Tensor.ofDoubles(new double[] {0.0, Double.NaN}, 2));
        assertThat(tensor).hasSameHashCodeAs(Tensor.ofDoubles(new double[] {0.0, Double.NaN}, 2));
        assertThat(tensor).isNotEqualTo(Tensor.ofDoubles(new double[] {-0.0, Double.NaN}, 2));
        assertThat(tensor).isNotEqualTo(Tensor.ofDoubles(new double[] {0.0, Double.NaN}, 2, 1));
        assertThat(Tensor.ofFloats(new float[] {1}, 1)).isNotEqualTo(Tensor.ofDoubles(new double[] {1}, 1));
        assertThat(Tensor.ofFloats(new float[] {1}, 1)).hasSameHashCodeAs(Tensor.ofFloats(new float[] {1}, 1));
        assertThat(Tensor.ofLong(1)).isEqualTo(Tensor.ofLong(1)).hasSameHashCodeAs(Tensor.ofLong(1));
        assertThat(Tensor.ofLong(1)).isNotEqualTo(Tensor.ofLong(2)).isNotEqualTo("1");
    }
}
