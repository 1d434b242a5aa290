package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;

import org.batchnorm.conformance.Reference;

/**
 * Values held against others of the same places, in one pass: AssertJ's {@code containsExactly} with an offset removes
 * what it has found from a list, which takes seconds where there are 100,000 of them.
 */
public final class Near {
    private Near() {}

    /** Fails where two values are neither the same nor within so much of each other. */
    public static void assertNear(String what, float[] actual, float[] expected, double offset) {
        assertNear(what, Reference.widen(actual), Reference.widen(expected), offset);
    }

    /** Fails where two values are neither the same nor within so much of each other. */
    public static void assertNear(String what, double[] actual, double[] expected, double offset) {
        assertThat(actual).as(what).hasSameSizeAs(expected);
        for (int i = 0; i < actual.length; i++) {
            boolean same = Double.compare(actual[i], expected[i]) == 0;
            if (!same && !(Math.abs(actual[i] - expected[i]) <= offset)) {
                throw new AssertionError(
                        what + "[" + i + "]: " + actual[i] + ", must be within " + offset + " of " + expected[i]);
            }
        }
    }
}
