package org.batchnorm.conformance;

import java.util.Arrays;
import java.util.Locale;
import java.util.OptionalDouble;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;

/**
 * The largest error that a quantity may have. With u = 2⁻²⁴ it is
 *
 * <pre>{@code
 * max(8 · u · M, min(PyTorch's error in float32, 100 · u · M))
 * }</pre>
 *
 * M is the largest magnitude among the expected values and what is {@link Rounded} on the way to them. It is taken over
 * the whole quantity, or, more strictly, over one feature. At least one step of the subnormal float32 numbers is
 * allowed: what is smaller may come out as 0.
 *
 * <p>Results of a 16-bit type are rounded to it at the end, and may be off by half a unit in the last place of that
 * type more. So what counts as their error is what lies beyond that.
 *
 * <p>Results of FLOAT64 may be off by {@code 8 · 2⁻⁵³ · M}, whatever PyTorch's error in float32.
 *
 * <p>Only finite values count. A value that float32 cannot hold does not count either: if its rounding to float32 is an
 * infinity, that infinity is expected. The result must be NaN exactly where NaN is expected, and infinite exactly where
 * an infinity is expected; where a 16-bit type holds no value as large, the infinity that is nearest. The sign of an
 * infinity that is among the expected values is not checked.
 */
public final class ErrorBound {
    /** Half the distance from 1 to the next float32: the largest relative error of one rounding. */
    public static final double UNIT_ROUNDOFF = 0x1p-24;

    private static final double ALWAYS_ALLOWED = 8 * UNIT_ROUNDOFF;
    private static final double ALLOWED_IN_FLOAT64 = 8 * 0x1p-53;
    private static final double NEVER_EXCEEDED = 100 * UNIT_ROUNDOFF;

    private static final double LARGEST_FLOAT16 = 65504;
    private static final double LARGEST_BFLOAT16 = 0x1.fep127;
    private static final int DIGITS_OF_FLOAT16 = 11;
    private static final int DIGITS_OF_BFLOAT16 = 8;

    /** The exponent of the least normal value. */
    private static final int LEAST_OF_FLOAT16 = -14;

    private ErrorBound() {}

    /**
     * The largest error that passes where nothing but the results is {@link Rounded}.
     *
     * @param pytorchError PyTorch's error in float32; NaN counts as absent
     */
    public static double of(double[] expected, OptionalDouble pytorchError) {
        return of(expected, Rounded.nothing(expected.length), pytorchError);
    }

    /**
     * The largest error that passes.
     *
     * @param rounded what is {@link Rounded}, as many magnitudes as {@code expected}
     * @param pytorchError PyTorch's error in float32; NaN counts as absent
     * @throws IllegalArgumentException if the lengths differ
     */
    public static double of(double[] expected, double[] rounded, OptionalDouble pytorchError) {
        return of(ElementType.FLOAT32, expected, rounded, pytorchError);
    }

    private static double of(ElementType type, double[] expected, double[] rounded, OptionalDouble pytorchError) {
        requireSameLength("rounded", rounded.length, expected.length);
        double largest = 0;
        for (int i = 0; i < expected.length; i++) {
            largest = Math.max(largest, magnitude(type, expected[i], rounded[i]));
        }
        if (type == ElementType.FLOAT64) {
            return allowed(type, largest);
        }
        double always = Math.max(ALWAYS_ALLOWED * largest, Float.MIN_VALUE);
        double pytorch = pytorchError.orElse(Double.NaN);
        return Double.isNaN(pytorch) ? always : Math.max(always, Math.min(pytorch, NEVER_EXCEEDED * largest));
    }

    /**
     * The largest error that passes in each feature, (C), with an M of its own: {@code 8 · u · M}.
     *
     * @param expected {@code shape}, or (C)
     * @param rounded what is {@link Rounded}, as many magnitudes as {@code expected}
     * @throws IllegalArgumentException if the lengths differ
     */
    public static double[] ofEachFeature(BatchShape shape, double[] expected, double[] rounded) {
        return ofEachFeature(ElementType.FLOAT32, shape, expected, rounded);
    }

    private static double[] ofEachFeature(ElementType type, BatchShape shape, double[] expected, double[] rounded) {
        requireSameLength("rounded", rounded.length, expected.length);
        double[] bounds = new double[shape.c()];
        Arrays.fill(bounds, allowed(type, 0));
        for (int i = 0; i < expected.length; i++) {
            int c = feature(shape, i, expected.length);
            bounds[c] = Math.max(bounds[c], allowed(type, magnitude(type, expected[i], rounded[i])));
        }
        return bounds;
    }

    /** What is allowed in any case; one step of the subnormal numbers at least. */
    private static double allowed(ElementType type, double magnitude) {
        return type == ElementType.FLOAT64
                ? Math.max(ALLOWED_IN_FLOAT64 * magnitude, Double.MIN_VALUE)
                : Math.max(ALWAYS_ALLOWED * magnitude, Float.MIN_VALUE);
    }

    /**
     * Checks computed values where nothing but the results is {@link Rounded}.
     *
     * @param actual as many values as {@code expected}
     * @throws IllegalArgumentException if the lengths differ
     */
    public static QuantityResult check(
            Quantity quantity, float[] actual, double[] expected, OptionalDouble pytorchError) {
        return check(quantity, actual, expected, Rounded.nothing(expected.length), pytorchError);
    }

    /**
     * Checks computed values with one M for all of them.
     *
     * @param actual as many values as {@code expected}
     * @param rounded what is {@link Rounded}, as many magnitudes as {@code expected}
     * @param pytorchError PyTorch's error in float32; NaN counts as absent
     * @throws IllegalArgumentException if the lengths differ
     */
    public static QuantityResult check(
            Quantity quantity, float[] actual, double[] expected, double[] rounded, OptionalDouble pytorchError) {
        return check(quantity, ElementType.FLOAT32, actual, expected, rounded, pytorchError);
    }

    /**
     * Checks computed values of a type with one M for all of them.
     *
     * @param type that of the results
     * @param actual as many values as {@code expected}
     * @param rounded what is {@link Rounded}, as many magnitudes as {@code expected}
     * @param pytorchError PyTorch's error in float32; NaN counts as absent
     * @throws IllegalArgumentException if the lengths differ
     */
    public static QuantityResult check(
            Quantity quantity,
            ElementType type,
            float[] actual,
            double[] expected,
            double[] rounded,
            OptionalDouble pytorchError) {
        return check(quantity, type, Reference.widen(actual), expected, rounded, pytorchError);
    }

    /** The same of values that are widened, or of FLOAT64. */
    public static QuantityResult check(
            Quantity quantity,
            ElementType type,
            double[] actual,
            double[] expected,
            double[] rounded,
            OptionalDouble pytorchError) {
        requireSameLength("actual", actual.length, expected.length);
        double bound = of(type, expected, rounded, pytorchError);
        double maxAbs = 0;
        int worst = 0;
        for (int i = 0; i < expected.length; i++) {
            double error = error(type, actual[i], expected[i]);
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
                        shown(type, actual[worst]),
                        expected[worst],
                        maxAbs,
                        bound);
        return new QuantityResult(quantity, maxAbs, pytorchError, bound, pass, message);
    }

    /**
     * Checks computed values feature by feature, each with its own M.
     *
     * @param actual as many values as {@code expected}
     * @param expected {@code shape}, or (C)
     * @param rounded what is {@link Rounded}, as many magnitudes as {@code expected}
     * @return the error and the bound of the feature whose error is largest in proportion to its bound
     * @throws IllegalArgumentException if the lengths differ
     */
    public static QuantityResult checkEachFeature(
            Quantity quantity, BatchShape shape, float[] actual, double[] expected, double[] rounded) {
        return checkEachFeature(quantity, ElementType.FLOAT32, shape, actual, expected, rounded);
    }

    /**
     * Checks computed values of a type feature by feature, each with its own M.
     *
     * @param type that of the results
     * @param actual as many values as {@code expected}
     * @param expected {@code shape}, or (C)
     * @param rounded what is {@link Rounded}, as many magnitudes as {@code expected}
     * @return the error and the bound of the feature whose error is largest in proportion to its bound
     * @throws IllegalArgumentException if the lengths differ
     */
    public static QuantityResult checkEachFeature(
            Quantity quantity,
            ElementType type,
            BatchShape shape,
            float[] actual,
            double[] expected,
            double[] rounded) {
        return checkEachFeature(quantity, type, shape, Reference.widen(actual), expected, rounded);
    }

    /** The same of values that are widened, or of FLOAT64. */
    public static QuantityResult checkEachFeature(
            Quantity quantity,
            ElementType type,
            BatchShape shape,
            double[] actual,
            double[] expected,
            double[] rounded) {
        requireSameLength("actual", actual.length, expected.length);
        double[] bounds = ofEachFeature(type, shape, expected, rounded);
        double error = 0;
        int worst = 0;
        for (int i = 0; i < expected.length; i++) {
            double other = error(type, actual[i], expected[i]);
            double bound = bounds[feature(shape, i, expected.length)];
            if (other / bound > error / bounds[feature(shape, worst, expected.length)]) {
                error = other;
                worst = i;
            }
        }
        int c = feature(shape, worst, expected.length);
        boolean pass = error <= bounds[c];
        String message = pass
                ? ""
                : String.format(
                        Locale.ROOT,
                        "%s: element %d, of feature %d, is %s, expected %s; the error is %.3e, must be at most %.3e",
                        quantity.tensorName(),
                        worst,
                        c,
                        shown(type, actual[worst]),
                        expected[worst],
                        error,
                        bounds[c]);
        return new QuantityResult(quantity, error, OptionalDouble.empty(), bounds[c], pass, message);
    }

    /** What a value adds to M: nothing if float32, or float64, cannot hold it. */
    private static double magnitude(ElementType type, double expected, double rounded) {
        if (!Double.isFinite(type == ElementType.FLOAT64 ? expected : (float) expected)) {
            return 0;
        }
        return Double.isFinite(rounded) ? Math.max(Math.abs(expected), rounded) : Math.abs(expected);
    }

    /** A value as the type prints it. */
    private static Object shown(ElementType type, double value) {
        return type == ElementType.FLOAT64 ? (Object) value : (Object) (float) value;
    }

    private static double error(ElementType type, double actual, double expected) {
        return type == ElementType.FLOAT64 ? errorInFloat64(actual, expected) : error(type, (float) actual, expected);
    }

    private static double errorInFloat64(double actual, double expected) {
        if (Double.isFinite(expected)) {
            return Double.isFinite(actual) ? Math.abs(actual - expected) : Double.POSITIVE_INFINITY;
        }
        boolean same = Double.isNaN(expected) ? Double.isNaN(actual) : Double.isInfinite(actual);
        return same ? 0 : Double.POSITIVE_INFINITY;
    }

    private static double error(ElementType type, float actual, double expected) {
        if (!type.is16Bit() || Double.isNaN(expected) || Float.isNaN(actual)) {
            return error(actual, expected);
        }
        float nearest = type.toFloat(type.toBits((float) expected));
        if (actual == nearest) {
            return 0;
        }
        if (Double.isInfinite(expected)) {
            return error(actual, expected);
        }
        // Beyond the largest value stands an infinity in the place of the next one.
        double placed = Math.clamp(actual, -beyond(type), beyond(type));
        double size = Math.min(Math.max(Math.abs(placed), Math.abs(expected)), largest(type));
        return Math.max(Math.abs(placed - expected) - unit(type, size) / 2, 0);
    }

    private static double error(float actual, double expected) {
        if (Float.isFinite((float) expected)) {
            return Float.isFinite(actual) ? Math.abs(actual - expected) : Double.POSITIVE_INFINITY;
        }
        boolean same;
        if (Double.isNaN(expected)) {
            same = Float.isNaN(actual);
        } else {
            // The sign of a value that is only too large for float32 is known.
            same = Float.isInfinite(actual) && (Double.isInfinite(expected) || actual == (float) expected);
        }
        return same ? 0 : Double.POSITIVE_INFINITY;
    }

    private static double largest(ElementType type) {
        return type == ElementType.FLOAT16 ? LARGEST_FLOAT16 : LARGEST_BFLOAT16;
    }

    private static double beyond(ElementType type) {
        return largest(type) + unit(type, largest(type));
    }

    /** The unit in the last place of a value, those of the subnormal ones at least. */
    private static double unit(ElementType type, double size) {
        int digits = type == ElementType.FLOAT16 ? DIGITS_OF_FLOAT16 : DIGITS_OF_BFLOAT16;
        int least = type == ElementType.FLOAT16 ? LEAST_OF_FLOAT16 : Float.MIN_EXPONENT;
        return Math.scalb(1.0, Math.max(Math.getExponent(size), least) - (digits - 1));
    }

    private static int feature(BatchShape shape, int index, int length) {
        return length == shape.c() ? index : Reference.feature(shape, index);
    }

    private static void requireSameLength(String what, int length, int expected) {
        if (length != expected) {
            throw new IllegalArgumentException(
                    what + ": " + length + " values given, must be as many as expected, " + expected);
        }
    }
}
