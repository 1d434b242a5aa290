package org.batchnorm.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.OptionalDouble;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.junit.jupiter.api.Test;

class ErrorBoundTest {
    private static final double U = Math.pow(2, -24);
    private static final OptionalDouble NO_PYTORCH = OptionalDouble.empty();

    @Test
    void isEightRoundingsOfTheLargestFiniteValue() {
        assertThat(ErrorBound.of(new double[] {1, -3, 2}, NO_PYTORCH)).isEqualTo(8 * U * 3);
        assertThat(ErrorBound.of(new double[] {1, Double.NEGATIVE_INFINITY, Double.NaN}, NO_PYTORCH))
                .isEqualTo(8 * U);
        assertThat(ErrorBound.of(new double[] {Double.NaN}, NO_PYTORCH)).isEqualTo(Float.MIN_VALUE);
        assertThat(ErrorBound.of(new double[0], NO_PYTORCH)).isEqualTo(Float.MIN_VALUE);
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
    void whatIsRoundedCountsWhereItIsLargerThanTheResult() {
        assertThat(ErrorBound.of(new double[] {1, -3}, new double[] {5, 0}, NO_PYTORCH))
                .isEqualTo(8 * U * 5);
        assertThat(ErrorBound.of(new double[] {1, -3}, new double[] {2, 2}, NO_PYTORCH))
                .isEqualTo(8 * U * 3);
        assertThat(ErrorBound.of(new double[] {0}, new double[] {5}, OptionalDouble.of(1)))
                .isEqualTo(100 * U * 5);
        assertThat(ErrorBound.of(new double[] {1, 2}, new double[] {Double.NaN, Double.POSITIVE_INFINITY}, NO_PYTORCH))
                .isEqualTo(8 * U * 2);

        float[] computed = {8 * 5 * 0x1p-24f};
        assertThat(ErrorBound.check(Quantity.DX, computed, new double[] {0}, new double[] {5}, NO_PYTORCH)
                        .pass())
                .isTrue();
        assertThat(ErrorBound.check(Quantity.DX, computed, new double[] {0}, new double[] {4.9}, NO_PYTORCH)
                        .pass())
                .isFalse();
    }

    /** Of bfloat16 the unit is 1/128 from 1 to 2, and 1/64 from 2 to 4. */
    @Test
    void resultsOfSixteenBitsMayBeHalfAUnitOff() {
        double bound = 8 * U * 4;
        assertThat(error(ElementType.BFLOAT16, 1, 1 + 0x1p-8)).isZero();
        assertThat(error(ElementType.BFLOAT16, 1 + 0x1p-7f, 1 + 0x1p-8 - bound)).isEqualTo(bound);
        assertThat(error(ElementType.BFLOAT16, 1, 1 + 0x1p-8 + 2 * bound)).isEqualTo(2 * bound);
        assertThat(error(ElementType.BFLOAT16, 1 + 0x1p-7f, 1)).isEqualTo(0x1p-8);
        assertThat(error(ElementType.BFLOAT16, 2, 2 - 0x1p-8)).isZero();
        assertThat(error(ElementType.BFLOAT16, 2, 2 + 0x1p-7)).isZero();
        assertThat(error(ElementType.FLOAT16, 1, 1 + 0x1p-11)).isZero();
        assertThat(error(ElementType.FLOAT16, 1, 1 + 0x1p-10)).isEqualTo(0x1p-11);
        assertThat(error(ElementType.FLOAT16, 0x1p-24f, 0x1.8p-24))
                .as("subnormal values")
                .isZero();
        assertThat(error(ElementType.FLOAT16, 0, 0x1p-24)).isEqualTo(0x1p-25);
        assertThat(error(ElementType.BFLOAT16, 0, 0x1p-133)).isEqualTo(0x1p-134);
    }

    @Test
    void whatSixteenBitsDoNotHoldIsAnInfinity() {
        float infinity = Float.POSITIVE_INFINITY;
        assertThat(error(ElementType.FLOAT16, infinity, 1e6)).isZero();
        assertThat(error(ElementType.FLOAT16, infinity, 65520)).isZero();
        assertThat(error(ElementType.FLOAT16, infinity, 65519.5)).isEqualTo(0.5);
        assertThat(error(ElementType.FLOAT16, 65504, 65520)).isZero();
        assertThat(error(ElementType.FLOAT16, 65504, 65521)).isEqualTo(1);
        assertThat(error(ElementType.FLOAT16, 65504, Double.POSITIVE_INFINITY)).isInfinite();
        assertThat(error(ElementType.FLOAT16, infinity, Double.POSITIVE_INFINITY))
                .isZero();
        assertThat(error(ElementType.FLOAT16, -infinity, 1e6)).isGreaterThan(1e6);
        assertThat(error(ElementType.BFLOAT16, infinity, 3.4e38)).isZero();
        assertThat(error(ElementType.BFLOAT16, infinity, 3.38e38)).isGreaterThan(1e35);
        assertThat(error(ElementType.FLOAT16, Float.NaN, 1)).isInfinite();
        assertThat(error(ElementType.FLOAT16, Float.NaN, Double.NaN)).isZero();
        assertThat(error(ElementType.FLOAT16, 1, Double.NaN)).isInfinite();
    }

    private static double error(ElementType type, float actual, double expected) {
        double[] wide = {expected};
        QuantityResult all = ErrorBound.check(Quantity.Y, type, new float[] {actual}, wide, new double[1], NO_PYTORCH);
        QuantityResult one = ErrorBound.checkEachFeature(
                Quantity.Y, type, BatchShape.of(1, 1), new float[] {actual}, wide, new double[1]);
        assertThat(one.maxAbs()).isEqualTo(all.maxAbs());
        return all.maxAbs();
    }

    @Test
    void everyFeatureHasABoundOfItsOwn() {
        BatchShape shape = BatchShape.of(2, 3);
        double[] expected = {1, 100, 0, -2, 1000, 0};
        double[] rounded = {0, 0, 0, 0, 0, 7};
        assertThat(ErrorBound.ofEachFeature(shape, expected, rounded))
                .containsExactly(8 * U * 2, 8 * U * 1000, 8 * U * 7);
        assertThat(ErrorBound.ofEachFeature(shape, new double[] {1, 2, Double.NaN}, new double[3]))
                .containsExactly(8 * U, 8 * U * 2, Float.MIN_VALUE);

        float off = 1 + 17 * 0x1p-24f * 2;
        float[] computed = {off, 100 + 0x1p-14f, 0, -2, 1000, 0};
        QuantityResult result = ErrorBound.checkEachFeature(Quantity.Y, shape, computed, expected, rounded);
        assertThat(result.pass()).isFalse();
        assertThat(result.maxAbs()).isEqualTo(34 * U);
        assertThat(result.bound()).isEqualTo(16 * U);
        assertThat(result.message())
                .isEqualTo("y: element 0, of feature 0, is 1.000002, expected 1.0; the error is 2.027e-06, "
                        + "must be at most 9.537e-07");
        // One bound for all features is that of the largest.
        assertThat(ErrorBound.check(Quantity.Y, computed, expected, rounded, NO_PYTORCH)
                        .pass())
                .isTrue();
    }

    @Test
    void whatFloat32CannotHoldIsExpectedToBeInfinite() {
        double[] expected = {1, 2.25e75, -1e39};
        assertThat(passes(expected, 1, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY))
                .isTrue();
        assertThat(passes(expected, 1, Float.MAX_VALUE, Float.NEGATIVE_INFINITY))
                .isFalse();
        assertThat(passes(expected, 1, Float.NaN, Float.NEGATIVE_INFINITY)).isFalse();
        assertThat(passes(expected, 1, Float.POSITIVE_INFINITY, Float.POSITIVE_INFINITY))
                .isFalse();
        assertThat(ErrorBound.of(expected, new double[] {0, 1e80, 0}, NO_PYTORCH))
                .isEqualTo(8 * U);
        // The last value that is rounded down to the largest float32, and the first that is not.
        double border = Float.MAX_VALUE + 0x1p103;
        assertThat(passes(new double[] {Math.nextDown(border)}, Float.MAX_VALUE))
                .isTrue();
        assertThat(passes(new double[] {border}, Float.MAX_VALUE)).isFalse();
        assertThat(passes(new double[] {border}, Float.POSITIVE_INFINITY)).isTrue();
    }

    @Test
    void oneStepOfTheSubnormalNumbersIsAllowed() {
        assertThat(passes(new double[] {1e-60}, 0)).isTrue();
        assertThat(passes(new double[] {1e-60}, Float.MIN_VALUE)).isTrue();
        assertThat(passes(new double[] {0}, Float.MIN_VALUE)).isTrue();
        assertThat(passes(new double[] {2e-45}, Float.MIN_VALUE)).isTrue();
        assertThat(passes(new double[] {0}, 2 * Float.MIN_VALUE)).isFalse();
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
        assertThatThrownBy(() -> ErrorBound.check(Quantity.DX, new float[3], new double[3], new double[2], NO_PYTORCH))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("rounded: 2 values given, must be as many as expected, 3");
    }

    private static boolean passes(double[] expected, float... actual) {
        return ErrorBound.check(Quantity.Y, actual, expected, NO_PYTORCH).pass();
    }
}
