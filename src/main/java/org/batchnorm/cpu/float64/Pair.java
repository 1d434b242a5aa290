package org.batchnorm.cpu.float64;

/**
 * A number as the unevaluated sum of two doubles, {@code high + low}, of which {@code high} is the nearest double.
 * Where that is not finite, {@code low} is 0.
 */
final class Pair {
    double high;
    double low;

    /** Takes a sum, whose second part may be larger than the last digit of the first. */
    Pair set(double first, double second) {
        high = first + second;
        low = second - (high - first);
        if (!Double.isFinite(high)) {
            // What is infinite or NaN stays what it is; only its rounding errors are meaningless.
            high = Double.isFinite(first) ? high : first;
            low = 0;
        }
        return this;
    }

    /** Divides by a whole number. */
    Pair divide(double by) {
        double quotient = high / by;
        double rest = Math.fma(-quotient, by, high) + low;
        return Double.isFinite(quotient) ? set(quotient, rest / by) : set(quotient, 0);
    }

    /** Adds to a sum: {@code high[i] + low[i]} grows by {@code value + valueLow}. */
    static void add(double[] high, double[] low, int i, double value, double valueLow) {
        double sum = high[i] + value;
        low[i] += Loops.lost(high[i], value, sum) + valueLow;
        high[i] = sum;
    }
}
