package org.batchnorm.tornadovm.kernels.float64;

/**
 * Arithmetic on one value, as that of float32 ({@code kernels.PerValue}): batch norm's map and the activations before
 * and after it. Compiled into each kernel that calls it.
 */
final class PerValue {
    /** The slope of no activation. */
    static final double NONE = 1;

    private PerValue() {}

    /** The distance of a value from the mean, which is taken in the same unit and in two parts. */
    static double distance(double value, double unit, double mean, double meanLow) {
        return (value * unit - mean) - meanLow;
    }

    /** Batch norm of a value at that distance. The same bits wherever a sign is asked for. */
    static double normalized(double distance, double scale, double beta) {
        return distance * scale + beta;
    }

    /** The activation of a value; NaN stays NaN. ReLU multiplies nothing, as of infinity that would be NaN. */
    @SuppressWarnings("IdentityBinaryExpression") // false for NaN
    static double activated(double value, double slope) {
        double scaled = slope == NONE ? value : value * slope;
        double below = slope == 0 ? (value == value ? 0.0 : value) : scaled;
        return slope == NONE ? value : (value > 0 ? value : below);
    }

    /** What stood before an activation, of what is behind it; with the slope of none that itself. */
    static double undone(double value, double slope) {
        double below = slope == NONE ? value : value / slope;
        return slope == NONE ? value : (value > 0 ? value : below);
    }

    /**
     * The gradient by a value of that by its activation. At 0 it is the negative side's; ReLU makes 0 of an infinite
     * gradient, too.
     *
     * @param value before the activation, or after it
     */
    static double gradient(double gradient, double value, double slope) {
        double scaled = slope == 0 ? 0.0 : gradient * slope;
        return slope == NONE ? gradient : (value > 0 ? gradient : scaled);
    }
}
