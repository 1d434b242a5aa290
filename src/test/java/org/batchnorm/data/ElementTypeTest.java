package org.batchnorm.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigDecimal;
import org.junit.jupiter.api.Test;

class ElementTypeTest {

    /** Of every bfloat16 there is, and of values about the middle between it and the next. */
    @Test
    void bfloat16IsRoundedToNearestEven() {
        for (int bits = 0; bits < 0x7f80; bits++) {
            float low = ElementType.BFLOAT16.toFloat((short) bits);
            assertRoundTrip(low);
            // In double the value behind the largest one is no infinity.
            double high = bits + 1 < 0x7f80 ? ElementType.BFLOAT16.toFloat((short) (bits + 1)) : 0x1p128;
            float middle = new BigDecimal(low)
                    .add(new BigDecimal(high))
                    .divide(BigDecimal.TWO)
                    .floatValue();
            int even = bits % 2 == 0 ? bits : bits + 1;
            assertBits(middle, even);
            assertBits(Math.nextDown(middle), bits);
            assertBits(Math.nextUp(middle), bits + 1);
        }
    }

    private static void assertRoundTrip(float value) {
        assertThat(ElementType.BFLOAT16.toFloat(ElementType.BFLOAT16.toBits(value)))
                .isEqualTo(value);
    }

    private static void assertBits(float value, int bits) {
        if (ElementType.BFLOAT16.toBits(value) != (short) bits
                || ElementType.BFLOAT16.toBits(-value) != (short) (bits | 0x8000)) {
            assertThat(ElementType.BFLOAT16.toBits(value)).as("%s", value).isEqualTo((short) bits);
            assertThat(ElementType.BFLOAT16.toBits(-value)).as("%s", -value).isEqualTo((short) (bits | 0x8000));
        }
    }

    @Test
    void whatIsNotFinite() {
        assertBits(Float.POSITIVE_INFINITY, 0x7f80);
        assertBits(Float.MAX_VALUE, 0x7f80);
        assertThat(ElementType.FLOAT16.toFloat(ElementType.FLOAT16.toBits(65520)))
                .isInfinite();
        for (int nan : new int[] {0x7fc00000, 0x7f800001, 0x7fffffff, 0xff800001, 0xffffffff, 0x7f80ffff}) {
            short bits = ElementType.BFLOAT16.toBits(Float.intBitsToFloat(nan));
            assertThat(ElementType.BFLOAT16.toFloat(bits)).isNaN();
            assertThat(bits).as("sign and payload, made quiet").isEqualTo((short) (nan >>> Short.SIZE | 0x40));
        }
    }

    @Test
    void float16IsTheJdks() {
        for (int bits = Short.MIN_VALUE; bits <= Short.MAX_VALUE; bits++) {
            float value = Float.float16ToFloat((short) bits);
            if (Float.compare(ElementType.FLOAT16.toFloat((short) bits), value) != 0) {
                assertThat(ElementType.FLOAT16.toFloat((short) bits)).isEqualTo(value);
            }
            assertThat(ElementType.FLOAT16.toBits(value)).isEqualTo(Float.floatToFloat16(value));
        }
    }

    @Test
    void float32HasMoreBits() {
        assertThat(ElementType.FLOAT32.is16Bit()).isFalse();
        assertThatThrownBy(() -> ElementType.FLOAT32.toBits(1))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("a value of FLOAT32 has 32 bits");
        assertThatThrownBy(() -> ElementType.FLOAT32.toFloat((short) 1)).isInstanceOf(IllegalStateException.class);
    }
}
