package org.batchnorm.tornadovm.kernels.float64;

import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Pairs against decimal numbers of 60 digits. */
class PairsTest {
    private static final MathContext DIGITS = new MathContext(60);

    private static BigDecimal sum(double high, double low) {
        return new BigDecimal(high).add(new BigDecimal(low), DIGITS);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 9, 1000, 65_535, 65_536, 65_537, 98_304, 1_000_003, (1L << 31) - 1, (1L << 40) + 1})
    void aQuotientHasTheDigitsOfTwoDoubles(long count) {
        Random random = new Random(count);
        for (int i = 0; i < 2000; i++) {
            double high = Math.scalb(random.nextGaussian(), random.nextInt(1320) - 300);
            double low = high * 0x1p-54 * random.nextDouble();
            double quotient = high / count;
            double rest = Pairs.restOfQuotient(high, low, quotient, (double) count);
            BigDecimal exact = sum(high, low).divide(BigDecimal.valueOf(count), DIGITS);
            BigDecimal error = exact.subtract(sum(quotient, rest), DIGITS).abs();
            assertThat(error.doubleValue()).isLessThanOrEqualTo(Math.abs(quotient) * 0x1p-103);
        }
    }

    @Test
    void manyValuesAreAddedAsOne() {
        Random random = new Random(1);
        double high = 0;
        double low = 0;
        BigDecimal exact = BigDecimal.ZERO;
        for (int i = 0; i < 10_000; i++) {
            double value = 1e9 + random.nextGaussian();
            double next = high + value;
            low += Pairs.lost(high, value, next);
            high = next;
            exact = exact.add(new BigDecimal(value), DIGITS);
        }
        BigDecimal pair = sum(Pairs.high(high, low), Pairs.low(high, low));
        assertThat(pair.subtract(exact, DIGITS).abs().doubleValue()).isLessThan(1e13 * 0x1p-95);
    }

    @Test
    void whatIsNotFiniteHasNoRest() {
        double infinite = Double.POSITIVE_INFINITY;
        assertThat(Pairs.high(infinite, Double.NaN)).isEqualTo(infinite);
        assertThat(Pairs.low(infinite, Double.NaN)).isZero();
        assertThat(Pairs.high(Double.MAX_VALUE, Double.MAX_VALUE)).isEqualTo(infinite);
        assertThat(Pairs.low(Double.MAX_VALUE, Double.MAX_VALUE)).isZero();
        assertThat(Pairs.high(Double.NaN, 0)).isNaN();
        assertThat(Pairs.restOfQuotient(infinite, 0, infinite, 3)).isZero();
        assertThat(Pairs.restOfQuotient(Double.MAX_VALUE, 0, Double.MAX_VALUE, 1))
                .isZero();
        assertThat(Pairs.restOfQuotient(0, 0, 0, 0)).isZero();
    }
}
