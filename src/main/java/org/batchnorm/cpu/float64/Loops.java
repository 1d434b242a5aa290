package org.batchnorm.cpu.float64;

import org.batchnorm.spi.Activation;

/**
 * The loops over the values of a piece. All arrays are indexed by lane; x and the mean are in the units of the feature
 * ({@link Coefficients#unit}), the mean in two parts.
 */
final class Loops {
    private Loops() {}

    /** {@code Σ x · unit}, compensated. */
    static void sum(double[] x, double[] unit, double[] high, double[] low, int length) {
        for (int j = 0; j < length; j++) {
            double value = x[j] * unit[j];
            double sum = high[j] + value;
            double added = sum - high[j];
            low[j] += (high[j] - (sum - added)) + (value - added);
            high[j] = sum;
        }
    }

    /** {@code Σ (x − mean)²}, compensated. */
    static void squares(double[] distance, double[] high, double[] low, int length) {
        for (int j = 0; j < length; j++) {
            double value = distance[j] * distance[j];
            double sum = high[j] + value;
            double added = sum - high[j];
            low[j] += (high[j] - (sum - added)) + (value - added);
            high[j] = sum;
        }
    }

    /** {@code Σ dy · (x − mean) · rstd}, compensated. */
    static void products(double[] dy, double[] distance, double[] rstd, double[] high, double[] low, int length) {
        for (int j = 0; j < length; j++) {
            double value = dy[j] * (distance[j] * rstd[j]);
            double sum = high[j] + value;
            double added = sum - high[j];
            low[j] += (high[j] - (sum - added)) + (value - added);
            high[j] = sum;
        }
    }

    /** {@code x · unit − mean}. */
    static void distance(double[] x, Coefficients c, double[] distance, int length) {
        double[] unit = c.unit;
        double[] mean = c.mean;
        double[] meanLow = c.meanLow;
        for (int j = 0; j < length; j++) {
            distance[j] = (x[j] * unit[j] - mean[j]) - meanLow[j];
        }
    }

    /** {@code dy − mean}, in place. */
    static void centre(double[] dy, double[] mean, double[] meanLow, int length) {
        for (int j = 0; j < length; j++) {
            dy[j] = (dy[j] - mean[j]) - meanLow[j];
        }
    }

    /** {@code z = distance · scale + offset}: the paper's {@code y = γ · (x − μ) · rstd + β}. */
    static void transform(double[] distance, double[] scale, double[] offset, double[] z, int length) {
        for (int j = 0; j < length; j++) {
            z[j] = distance[j] * scale[j] + offset[j];
        }
    }

    /** {@code dx = (dy − distance · slope) · scale}, in the place of dy, which is centred. */
    static void gradient(double[] dy, double[] distance, double[] slope, double[] scale, int length) {
        for (int j = 0; j < length; j++) {
            dy[j] = (dy[j] - distance[j] * slope[j]) * scale[j];
        }
    }

    /** {@code values · factor}, in place. */
    static void multiply(double[] values, double[] factor, int length) {
        for (int j = 0; j < length; j++) {
            values[j] *= factor[j];
        }
    }

    /** {@code values + more}, in place. */
    static void add(double[] values, double[] more, int length) {
        for (int j = 0; j < length; j++) {
            values[j] += more[j];
        }
    }

    /** {@code act(v)}, in place. */
    static void activate(Activation activation, double[] values, int length) {
        double slope = activation.negativeSlope();
        if (slope == 0) {
            for (int j = 0; j < length; j++) {
                values[j] = Math.max(values[j], 0);
            }
        } else if (slope != 1) {
            for (int j = 0; j < length; j++) {
                double v = values[j];
                values[j] = v > 0 ? v : slope * v;
            }
        }
    }

    /** What {@link #activate} was given, of what it gave, in place. */
    static void undo(Activation activation, double[] values, int length) {
        double slope = activation.negativeSlope();
        for (int j = 0; j < length && slope != 1; j++) {
            double v = values[j];
            values[j] = v > 0 ? v : v / slope;
        }
    }

    /** {@code dy · act′(v)}, in the place of dy; v may be act(v), which is positive where v is. */
    static void activateGradient(Activation activation, double[] dy, double[] values, int length) {
        double slope = activation.negativeSlope();
        if (slope == 1) {
            return;
        }
        for (int j = 0; j < length; j++) {
            double negative = slope == 0 ? 0 : slope * dy[j];
            dy[j] = values[j] > 0 ? dy[j] : negative;
        }
    }
}
