package org.batchnorm.tornadovm.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Pairs of float32, on the host; that devices keep them so is what {@code HardValuesTest} sees. */
class PairsTest {

    /** A double holds the sum of two floats whose exponents differ by no more than 28. */
    @Test
    void whatASumLosesIsExact() {
        Random random = new Random(1);
        for (int i = 0; i < 100_000; i++) {
            float a = (float) random.nextGaussian() * (1 << random.nextInt(14));
            float b = (float) random.nextGaussian() / (1 << random.nextInt(8));
            float sum = a + b;
            assertThat((double) sum + Pairs.lost(a, b, sum)).isEqualTo((double) a + b);
        }
    }

    @Test
    void longSumsHaveTheDigitsOfDouble() {
        Random random = new Random(2);
        float high = 0f;
        float low = 0f;
        double exact = 0;
        double size = 0;
        for (int i = 0; i < 20_000; i++) {
            float[] v = new float[4];
            for (int k = 0; k < 4; k++) {
                v[k] = (float) (1e5 + random.nextGaussian());
                exact += v[k];
                size += Math.abs(v[k]);
            }
            float four = Pairs.sum(v[0], v[1], v[2], v[3]);
            float next = high + four;
            low += Pairs.lost(v[0], v[1], v[2], v[3]) + Pairs.lost(high, four, next);
            high = next + low;
            low -= high - next;
        }
        assertThat(Math.abs(Pairs.whole(high, low) - exact)).isLessThan(1e-12 * size);
        assertThat(Math.abs(high - exact)).as("without what was lost").isGreaterThan(1e-9 * size);
    }

    @Test
    void aPairIsWholeWhereItIsInfinite() {
        assertThat(Pairs.whole(1f, 0x1p-30f)).isEqualTo(1 + 0x1p-30);
        assertThat(Pairs.whole(Float.POSITIVE_INFINITY, Float.NaN)).isEqualTo(Double.POSITIVE_INFINITY);
        assertThat(Pairs.whole(Float.NaN, Float.NaN)).isNaN();
    }

    /** A sum of values, another one, the sum of the magnitudes of 8 products, whether float32 was enough. */
    @ParameterizedTest
    @CsvSource({
        "1, 1, 8, true",
        "0, 1, 8, true",
        "0, 0, 0, true",
        "0, 5, 0, true",
        "1, 0, 0, false",
        "1, 1, 1e-30, false",
        "1, 1, 1e37, false",
        "Infinity, 1, 1, false",
        "1, -Infinity, 1, false",
        "1, NaN, 1, false",
        "1, 1, Infinity, false",
        "1, 1, NaN, false",
        "NaN, 1, 0, false",
        "3e38, 3e38, 1, false"
    })
    void whatFloat32IsEnoughFor(float first, float second, float size, boolean enough) {
        assertThat(Pairs.reliability(first, second, size, 8) >= 0).isEqualTo(enough);
    }
}
