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
