package org.batchnorm.tornadovm.kernels;

/**
 * Arithmetic on one value: batch norm's map and the activations before and after it. Compiled into each kernel that
 * calls it.
 *
 * <p>An activation is {@code v} for v &gt; 0, else {@code slope · v}. Its slope is a constant of the kernel: with that
 * of none, 1, nothing of it is in the machine code. No mask is kept for backward, which maps x once more, by the same
 * expression as forward and so to the same bits, and looks at the sign.
 */
final class PerValue {
    /** The slope of no activation. */
    static final float NONE = 1f;

    private PerValue() {}

    /** Batch norm of a value, of which mean and value are taken in a {@link PerFeature#unit}. */
    static float normalized(float value, float unit, float mean, float meanLow, float scale, float beta) {
        return ((value * unit - mean) - meanLow) * scale + beta;
    }

    /**
     * The activation of a value; NaN stays NaN. ReLU multiplies nothing, as of infinity that would be NaN. It asks for
     * NaN by an equality, because TornadoVM 5.2 may turn an ordering into its opposite, which is true of NaN as well.
     */
    @SuppressWarnings("IdentityBinaryExpression") // false for NaN
    static float activated(float value, float slope) {
        float scaled = slope == NONE ? value : value * slope;
        float below = slope == 0f ? (value == value ? 0f : value) : scaled;
        return slope == NONE ? value : (value > 0f ? value : below);
    }

    /**
     * What stood before an activation, of what is behind it; with the slope of none that itself. It multiplies with 1 /
     * slope in two parts, which are constants: with the rounded one alone all values would be off alike, and dgamma by
     * so much of dbeta.
     */
    static float undone(float value, float slope) {
        float inverse = 1f / slope;
        float inverseLow = (float) (1.0 / slope - inverse);
        float below = value * inverse + value * inverseLow;
        return slope == NONE ? value : (value > 0f ? value : below);
    }

    /**
     * The distance of x from a value near its mean. That of y ends with an addition of 0: it is one {@code fma}, and no
     * product that a compiler could take for exact in a sum of distances ({@link Pairs}).
     *
     * @param value x, or {@code z = gamma · x̂ + beta} in its place
     * @param unit of x and that near value; of z the factor that makes a distance of x of its own
     * @param given {@link ReduceGradients#INPUT} or {@link ReduceGradients#OUTPUT}
     */
    static float distance(float value, float unit, float near, int given) {
        float ofOutput = (value - near) * unit + 0f;
        float ofInput = value * unit - near;
        return given == ReduceGradients.OUTPUT ? ofOutput : ofInput;
    }

    /**
     * The gradient by a value of that by its activation. At 0 it is the negative side's; ReLU makes 0 of an infinite
     * gradient, too.
     *
     * @param value before the activation
     */
    static float gradient(float gradient, float value, float slope) {
        float scaled = slope == 0f ? 0f : gradient * slope;
        return slope == NONE ? gradient : (value > 0f ? gradient : scaled);
    }

    /** The gradient before the activation after batch norm, of the gradient behind it; the sign is that of forward. */
    static float beforeOutput(
            float gradient,
            float value,
            float unit,
            float mean,
            float meanLow,
            float scale,
            float beta,
            float outputSlope) {
        return gradient(gradient, normalized(value, unit, mean, meanLow, scale, beta), outputSlope);
    }
}
