package org.batchnorm.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Every type of the format converts to float32, float64 and 64-bit integers, or says which value does not. */
class ElementTypesTest {

    static Stream<Arguments> values() {
        return Stream.of(
                arguments(DType.BOOL, new byte[] {0, 1}, new double[] {0, 1}),
                arguments(DType.U8, new byte[] {0, (byte) 0xff}, new double[] {0, 255}),
                arguments(DType.I8, new byte[] {(byte) 0x80, 0x7f}, new double[] {-128, 127}),
                arguments(DType.F8_E5M2, new byte[] {0x3c, (byte) 0xc0, 0x01, 0x7b, 0x7c}, new double[] {
                    1, -2, 0x1p-16, 57344, Double.POSITIVE_INFINITY
                }),
                arguments(DType.F8_E4M3, new byte[] {0x38, (byte) 0xc4, 0x01, (byte) 0x80, 0x7e, 0x7f}, new double[] {
                    1, -3, 0x1p-9, -0.0, 448, Double.NaN
                }),
                arguments(DType.I16, new short[] {Short.MIN_VALUE, 3}, new double[] {-32768, 3}),
                arguments(DType.U16, new short[] {(short) 0xffff, 3}, new double[] {65535, 3}),
                arguments(
                        DType.F16,
                        new short[] {0x3c00, (short) 0xc000, 0x0001, 0x7bff, (short) 0xfc00, 0x7e00},
                        new double[] {1, -2, 0x1p-24, 65504, Double.NEGATIVE_INFINITY, Double.NaN}),
                arguments(
                        DType.BF16,
                        new short[] {0x3f80, (short) 0xc040, 0x0001, (short) 0x8000, 0x7fc0},
                        new double[] {1, -3, 0x1p-133, -0.0, Double.NaN}),
                arguments(DType.I32, new int[] {Integer.MIN_VALUE, 7}, new double[] {-0x1p31, 7}),
                arguments(DType.U32, new int[] {-1, 7}, new double[] {4294967295.0, 7}),
                arguments(DType.F32, new float[] {0.1f, Float.NaN}, new double[] {0.1f, Double.NaN}),
                arguments(DType.F64, new double[] {0.1, Double.NaN}, new double[] {0.1, Double.NaN}),
                arguments(DType.I64, new long[] {Long.MIN_VALUE, 7}, new double[] {-0x1p63, 7}),
                arguments(DType.U64, new long[] {-1, 7}, new double[] {0x1p64, 7}));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("values")
    void convertsToFloats(DType dtype, Object array, double[] expected) {
        Tensor tensor = Tensor.owning(new Elements(dtype, array), expected.length);
        assertThat(tensor.dtype()).isEqualTo(dtype);
        assertThat(tensor.elements()).isEqualTo(expected.length);
        assertThat(tensor.doubles()).containsExactly(expected);
        float[] floats = new float[expected.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) expected[i];
        }
        assertThat(tensor.floats()).containsExactly(floats);
    }

    @ParameterizedTest
    @EnumSource
    void integersComeFromEveryType(DType dtype) {
        Object one = switch (dtype) {
            case BOOL, U8, I8 -> new byte[] {1};
            case F8_E5M2 -> new byte[] {0x3c};
            case F8_E4M3 -> new byte[] {0x38};
            case I16, U16 -> new short[] {1};
            case F16 -> new short[] {0x3c00};
            case BF16 -> new short[] {0x3f80};
            case I32, U32 -> new int[] {1};
            case F32 -> new float[] {1};
            case F64 -> new double[] {1};
            case I64, U64 -> new long[] {1};
        };
        assertThat(Tensor.owning(new Elements(dtype, one)).longs()).containsExactly(1);
        assertThat(DType.named(dtype.name())).contains(dtype);
        assertThat(Elements.zeros(dtype, 3).longs()).containsExactly(0, 0, 0);
        assertThat(Elements.zeros(dtype, 3))
                .isEqualTo(Elements.zeros(dtype, 3))
                .hasSameHashCodeAs(Elements.zeros(dtype, 3))
                .isNotEqualTo(Elements.zeros(dtype, 2));
    }

    /** 2⁵⁴ + 2³⁰ + 1 would become 2⁵⁴ on the way over a double. */
    @Test
    void integersAreRoundedOnce() {
        long value = (1L << 54) + (1L << 30) + 1;
        float expected = 0x1p54f + 0x1p31f;
        assertThat(Tensor.ofLong(value).floats()).containsExactly(expected);
        assertThat(Tensor.owning(new Elements(DType.U64, new long[] {value})).floats())
                .containsExactly(expected);
        assertThat(Tensor.ofLong((1L << 53) + 1).doubles()).containsExactly(0x1p53);
        assertThat(Tensor.ofDoubles(new double[] {0.1, 1e-60, Double.NEGATIVE_INFINITY}, 3)
                        .floats())
                .containsExactly(0.1f, 0, Float.NEGATIVE_INFINITY);
    }

    @Test
    void aValueThatDoesNotFitIsNamed() {
        double[] large = {1, -1e39};
        assertThatThrownBy(Tensor.ofDoubles(large, 2)::floats)
                .isInstanceOf(ArithmeticException.class)
                .hasMessage("tensor F64[2]: element 1 of 2, -1.0E39, is too large for float32");
        for (double value : new double[] {0.5, 0x1p63, -0x1.0000000000001p63, Double.NaN, Double.POSITIVE_INFINITY}) {
            assertThatThrownBy(Tensor.ofDoubles(new double[] {value})::longs)
                    .isInstanceOf(ArithmeticException.class)
                    .hasMessage("tensor F64[]: element 0 of 1, " + value + ", is no 64-bit integer");
        }
        assertThat(Tensor.ofDoubles(new double[] {-0x1p63}).longs()).containsExactly(Long.MIN_VALUE);
        assertThatThrownBy(Tensor.owning(new Elements(DType.U64, new long[] {1, -1}), 2)::longs)
                .isInstanceOf(ArithmeticException.class)
                .hasMessage("tensor U64[2]: element 1 of 2, 18446744073709551615, is above 2^63 - 1");
        assertThatThrownBy(() -> new Elements(DType.F32, "text")).isInstanceOf(IllegalArgumentException.class);
    }
}
