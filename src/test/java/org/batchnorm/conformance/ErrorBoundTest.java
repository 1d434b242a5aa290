package org.batchnorm.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;

class ErrorBoundTest {
    private static final double U = Math.pow(2, -24);
    private static final OptionalDouble NO_PYTORCH = OptionalDouble.empty();

    @Test
    void isEightRoundingsOfTheLargestFiniteValue() {
        assertThat(ErrorBound.of(new double[] {1, -3, 2}, NO_PYTORCH)).isEqualTo(8 * U * 3);
        assertThat(ErrorBound.of(new double[] {1, Double.NEGATIVE_INFINITY, Double.NaN}, NO_PYTORCH))
                .isEqualTo(8 * U);
        assertThat(ErrorBound.of(new double[] {Double.NaN}, NO_PYTORCH)).isZero();
        assertThat(ErrorBound.of(new double[0], NO_PYTORCH)).isZero();
    }

    @Test
    void isPyTorchsErrorBetweenEightAndAHundredRoundings() {
        double[] expected = {2};
        assertThat(ErrorBound.of(expected, OptionalDouble.of(0))).isEqualTo(8 * U * 2);
        assertThat(ErrorBound.of(expected, OptionalDouble.of(50 * U * 2))).isEqualTo(50 * U * 2);
        assertThat(ErrorBound.of(expected, OptionalDouble.of(1.5))).isEqualTo(100 * U * 2);
        assertThat(ErrorBound.of(expected, OptionalDouble.of(Double.POSITIVE_INFINITY)))
                .isEqualTo(100 * U * 2);
        assertThat(ErrorBound.of(expected, OptionalDouble.of(Double.NaN))).isEqualTo(8 * U * 2);
    }

    @Test
    void theLargestErrorDecides() {
        double[] expected = {1, 2, 4};
        QuantityResult near = ErrorBound.check(Quantity.Y, new float[] {1, 2, 4}, expected, NO_PYTORCH);
        assertThat(near.pass()).isTrue();
        assertThat(near.maxAbs()).isZero();
        assertThat(near.message()).isEmpty();

        float off = 2 + 9 * 0x1p-22f;
        QuantityResult far = ErrorBound.check(Quantity.Y, new float[] {1, off, 4}, expected, OptionalDouble.of(1e-9));
        assertThat(far.pass()).isFalse();
        assertThat(far.maxAbs()).isEqualTo(9 * 0x1p-22);
        assertThat(far.bound()).isEqualTo(8 * U * 4);
        assertThat(far.pytorchMaxAbs()).hasValue(1e-9);
        assertThat(far.message())
                .startsWith("y: element 1 is 2.000002")
                .contains("expected 2.0", "must be at most 1.907e-06");

        QuantityResult onTheBar =
                ErrorBound.check(Quantity.Y, new float[] {1, 2 + 8 * 0x1p-22f, 4}, expected, NO_PYTORCH);
        assertThat(onTheBar.pass()).isTrue();
        assertThat(onTheBar.maxAbs()).isCloseTo(onTheBar.bound(), within(0.0));
    }

    @Test
    void whatIsNotFiniteMustComeWhereItIsExpectedAndNowhereElse() {
        double[] expected = {1, Double.NaN, Double.POSITIVE_INFINITY};
        assertThat(passes(expected, 1, Float.NaN, Float.POSITIVE_INFINITY)).isTrue();
        assertThat(passes(expected, 1, Float.NaN, Float.NEGATIVE_INFINITY)).isTrue();
        assertThat(passes(expected, 1, Float.POSITIVE_INFINITY, Float.POSITIVE_INFINITY))
                .isFalse();
        assertThat(passes(expected, 1, Float.NaN, Float.NaN)).isFalse();
        assertThat(passes(expected, 1, 0, Float.POSITIVE_INFINITY)).isFalse();
        assertThat(passes(expected, 1, Float.NaN, Float.MAX_VALUE)).isFalse();
        assertThat(passes(expected, Float.NaN, Float.NaN, Float.POSITIVE_INFINITY))
                .isFalse();
        assertThat(passes(expected, Float.NEGATIVE_INFINITY, Float.NaN, Float.POSITIVE_INFINITY))
                .isFalse();
    }

    @Test
    void theLengthsMustAgree() {
        assertThatThrownBy(() -> ErrorBound.check(Quantity.DX, new float[2], new double[3], NO_PYTORCH))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("actual: 2 values given, must be as many as expected, 3");
    }

    private static boolean passes(double[] expected, float... actual) {
        return ErrorBound.check(Quantity.Y, actual, expected, NO_PYTORCH).pass();
    }
}
