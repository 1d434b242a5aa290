package org.batchnorm.cpu.float64;

import org.batchnorm.spi.Activation;

/**
 * The loops over the values of pieces. Sums and coefficients are indexed by lane, values by lane and piece: loops that
 * have both take {@link Lanes#PIECES} pieces at once, so that what belongs to a lane is loaded and stored once for all
 * of them: two, as the compiler makes vector code of small loops only. No loop has a branch on a value, of which every
 * second one would be guessed wrong.
 */
final class Loops {
    private static final int SECOND = Lanes.MOST;

    private static final int SIGN = 63;

    /** The bits behind those of Infinity, the first that mean NaN. */
    private static final long NAN = 0x7ff0_0000_0000_0001L;

    private Loops() {}

    /** {@code Σ x}, where each addition is compensated. */
    static void sum(double[] x, double[] high, double[] low, int length) {
        for (int j = 0; j < length; j++) {
            double first = high[j] + x[j];
            double both = first + x[j + SECOND];
            low[j] += lost(high[j], x[j], first) + lost(first, x[j + SECOND], both);
            high[j] = both;
        }
    }

    /**
     * {@code Σ (x − mean)²}. What is added to the sum, compensated, is the sum of two squares: these have the same
     * sign, so that rounding takes no more from their sum than from a square.
     */
    static void squares(double[] x, double[] mean, double[] high, double[] low, int length) {
        for (int j = 0; j < length; j++) {
            double both = square(x[j] - mean[j]) + square(x[j + SECOND] - mean[j]);
            double sum = high[j] + both;
            low[j] += lost(high[j], both, sum);
            high[j] = sum;
        }
    }

    /** {@code Σ (dy − dyMean) · x̂}, likewise: to the sum of two products each of them is as large. */
    static void products(double[] dy, double[] dyMean, double[] xHat, double[] high, double[] low, int length) {
        for (int j = 0; j < length; j++) {
            double both = (dy[j] - dyMean[j]) * xHat[j] + (dy[j + SECOND] - dyMean[j]) * xHat[j + SECOND];
            double sum = high[j] + both;
            low[j] += lost(high[j], both, sum);
            high[j] = sum;
        }
    }

    private static double square(double value) {
        return value * value;
    }

    /** What rounding took from {@code sum = a + b} (Knuth's TwoSum). */
    static double lost(double a, double b, double sum) {
        double added = sum - a;
        return (a - (sum - added)) + (b - added);
    }

    /** {@code z = (x − mean) · scale + offset}: the paper's {@code y = γ · (x − μ) · rstd + β}. */
    static void transform(double[] x, double[] mean, double[] scale, double[] offset, double[] z, int length) {
        for (int j = 0; j < length; j++) {
            z[j] = (x[j] - mean[j]) * scale[j] + offset[j];
            z[j + SECOND] = (x[j + SECOND] - mean[j]) * scale[j] + offset[j];
        }
    }

    /** {@code dx = ((dy − dyMean) − toVariance) · scale}, in the place of dy. */
    static void gradient(double[] dy, double[] dyMean, double[] toVariance, double[] scale, int length) {
        for (int j = 0; j < length; j++) {
            dy[j] = ((dy[j] - dyMean[j]) - toVariance[j]) * scale[j];
            dy[j + SECOND] = ((dy[j + SECOND] - dyMean[j]) - toVariance[j + SECOND]) * scale[j];
        }
    }

    /** {@code products = values · factor}; both may be the same. */
    static void multiply(double[] values, double[] factor, double[] products, int length) {
        for (int j = 0; j < length; j++) {
            products[j] = values[j] * factor[j];
            products[j + SECOND] = values[j + SECOND] * factor[j];
        }
    }

    // ---- loops that need not know of lanes

    /** {@code values + more}, in place. */
    static void add(double[] values, double[] more, int end) {
        for (int j = 0; j < end; j++) {
            values[j] += more[j];
        }
    }

    /** {@code act(v)}, in place. */
    static void activate(Activation activation, double[] values, int end) {
        double slope = activation.negativeSlope();
        if (slope == 0) {
            for (int j = 0; j < end; j++) {
                values[j] = Math.max(values[j], 0);
            }
        } else if (slope < 1) {
            for (int j = 0; j < end; j++) {
                values[j] = Math.max(values[j], slope * values[j]);
            }
        } else if (slope > 1) {
            for (int j = 0; j < end; j++) {
                values[j] = Math.min(values[j], slope * values[j]);
            }
        }
    }

    /** What {@link #activate} was given, of what it gave, in place. */
    static void undo(Activation activation, double[] values, int end) {
        double slope = activation.negativeSlope();
        if (slope < 1) {
            for (int j = 0; j < end; j++) {
                values[j] = Math.min(values[j], values[j] / slope);
            }
        } else if (slope > 1) {
            for (int j = 0; j < end; j++) {
                values[j] = Math.max(values[j], values[j] / slope);
            }
        }
    }

    /** {@code dy · act′(v)}, in the place of dy; v may be act(v), which is positive where v is. */
    static void activateGradient(Activation activation, double[] dy, double[] values, int end) {
        double slope = activation.negativeSlope();
        if (slope == 1) {
            return;
        }
        for (int j = 0; j < end; j++) {
            long bits = Double.doubleToRawLongBits(values[j]);
            // All ones where the value is greater than 0, and not NaN: where its bits are from 1 to those of Infinity.
            long positive = (-bits & ~bits & (bits - NAN)) >> SIGN;
            long negative = slope == 0 ? 0 : Double.doubleToRawLongBits(slope * dy[j]);
            dy[j] = Double.longBitsToDouble((Double.doubleToRawLongBits(dy[j]) & positive) | (negative & ~positive));
        }
    }
}
