package org.batchnorm.conformance;

import java.util.Locale;
import java.util.OptionalDouble;

/**
 * The largest error that a quantity may have. With u = 2⁻²⁴ and M the largest finite |expected| value it is
 *
 * <pre>{@code
 * max(8 · u · M, min(PyTorch's error in float32, 100 · u · M))
 * }</pre>
 *
 * The result must be NaN exactly where NaN is expected, and infinite exactly where an infinity is expected. The sign of
 * an infinity is not checked.
 */
public final class ErrorBound {
    /** Half the distance from 1 to the next float32: the largest relative error of one rounding. */
    public static final double UNIT_ROUNDOFF = 0x1p-24;

    private static final double ALWAYS_ALLOWED = 8 * UNIT_ROUNDOFF;
    private static final double NEVER_EXCEEDED = 100 * UNIT_ROUNDOFF;

    private ErrorBound() {}

    /**
     * The largest error that passes.
     *
     * @param pytorchError PyTorch's error in float32; NaN counts as absent
     */
    public static double of(double[] expected, OptionalDouble pytorchError) {
        double largest = 0;
        for (double value : expected) {
            if (Double.isFinite(value)) {
                largest = Math.max(largest, Math.abs(value));
            }
        }
        double always = ALWAYS_ALLOWED * largest;
        double pytorch = pytorchError.orElse(Double.NaN);
        return Double.isNaN(pytorch) ? always : Math.max(always, Math.min(pytorch, NEVER_EXCEEDED * largest));
    }

    /**
     * Checks computed values.
     *
     * @param actual as many values as {@code expected}
     * @throws IllegalArgumentException if the lengths differ
     */
    public static QuantityResult check(
            Quantity quantity, float[] actual, double[] expected, OptionalDouble pytorchError) {
        if (actual.length != expected.length) {
            throw new IllegalArgumentException(
                    "actual: " + actual.length + " values given, must be as many as expected, " + expected.length);
        }
        double bound = of(expected, pytorchError);
        double maxAbs = 0;
        int worst = 0;
        for (int i = 0; i < expected.length; i++) {
            double error = error(actual[i], expected[i]);
            if (error > maxAbs) {
                maxAbs = error;
                worst = i;
            }
        }
        boolean pass = maxAbs <= bound;
        String message = pass
                ? ""
                : String.format(
                        Locale.ROOT,
                        "%s: element %d is %s, expected %s; the largest error is %.3e, must be at most %.3e",
                        quantity.tensorName(),
                        worst,
                        actual[worst],
                        expected[worst],
                        maxAbs,
                        bound);
        return new QuantityResult(quantity, maxAbs, pytorchError, bound, pass, message);
    }

    private static double error(float actual, double expected) {
        if (Double.isFinite(expected)) {
            return Float.isFinite(actual) ? Math.abs(actual - expected) : Double.POSITIVE_INFINITY;
        }
        boolean sameKind = Double.isNaN(expected) ? Float.isNaN(actual) : Float.isInfinite(actual);
        return sameKind ? 0 : Double.POSITIVE_INFINITY;
    }
}
