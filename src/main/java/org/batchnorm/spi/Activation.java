package org.batchnorm.spi;

/**
 * An activation that batch normalization does in the same passes over memory: {@code act(v) = v} for v &gt; 0, else
 * {@code negativeSlope · v}. Its derivative is 1 for v &gt; 0, else the negative slope, at 0 too, as in PyTorch.
 *
 * @param negativeSlope the factor of values that are not positive; finite, ≥ 0
 */
public record Activation(float negativeSlope) {
    /** The identity. */
    public static final Activation NONE = new Activation(1);

    private static final Activation RELU = new Activation(0);

    /**
     * Checks the slope.
     *
     * @throws IllegalArgumentException if it is negative or not finite
     */
    public Activation {
        if (!(negativeSlope >= 0) || Float.isInfinite(negativeSlope)) {
            throw new IllegalArgumentException(
                    "negativeSlope: " + negativeSlope + " given, must be a finite number, at least 0");
        }
    }

    /** {@code max(v, 0)}; NaN stays NaN. */
    public static Activation relu() {
        return RELU;
    }

    /**
     * {@code v} for v &gt; 0, else {@code negativeSlope · v}.
     *
     * @param negativeSlope PyTorch's default is 0.01
     */
    public static Activation leakyRelu(double negativeSlope) {
        return new Activation((float) negativeSlope);
    }

    /** Whether it changes nothing. */
    public boolean isNone() {
        return negativeSlope == 1;
    }

    /** The value. */
    public float of(float v) {
        return negativeSlope == 0 ? Math.max(v, 0) : v > 0 ? v : negativeSlope * v;
    }

    /** What it was given, of the value that it gave; not to be had of {@link #relu()}. */
    public float undo(float value) {
        return value > 0 ? value : value / negativeSlope;
    }

    /** The derivative, at 0 that from below. */
    public float derivative(float v) {
        return v > 0 ? 1 : negativeSlope;
    }

    /**
     * The gradient by {@code v}: {@code derivative(v) · gradient}, where ReLU makes 0 of an infinite gradient, too.
     *
     * @param gradient that by {@code of(v)}
     * @param v or {@code of(v)}, which is positive where v is
     */
    public float gradient(float gradient, float v) {
        return v > 0 ? gradient : negativeSlope == 0 ? 0 : negativeSlope * gradient;
    }

    @Override
    public String toString() {
        return isNone() ? "none" : negativeSlope == 0 ? "relu" : "leakyRelu(" + negativeSlope + ")";
    }
}
