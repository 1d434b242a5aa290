package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NearTest {
    @Test
    void valuesWithinTheOffsetAndTheSameAreNear() {
        assertThatCode(() -> Near.assertNear(
                        "y",
                        new double[] {1, -0.5, Double.NaN, Double.POSITIVE_INFINITY},
                        new double[] {1.25, -0.75, Double.NaN, Double.POSITIVE_INFINITY},
                        0.25))
                .doesNotThrowAnyException();
    }

    @ParameterizedTest
    @ValueSource(doubles = {1.26, 0.74, Double.NaN, Double.POSITIVE_INFINITY})
    void oneValueThatIsNotIsNamed(double other) {
        assertThatThrownBy(() -> Near.assertNear("y", new double[] {3, other}, new double[] {3, 1}, 0.25))
                .isInstanceOf(AssertionError.class)
                .hasMessage("y[1]: " + other + ", must be within 0.25 of 1.0");
        assertThatThrownBy(() -> Near.assertNear("y", new float[] {3, 1}, new float[] {3, (float) other}, 0.25))
                .isInstanceOf(AssertionError.class)
                .hasMessageStartingWith("y[1]: 1.0, must be within");
    }

    @Test
    void anotherNumberOfValuesIsNotNear() {
        assertThatThrownBy(() -> Near.assertNear("y", new float[2], new float[3], 1))
                .isInstanceOf(AssertionError.class);
    }
}
