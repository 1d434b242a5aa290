package org.batchnorm.tornadovm.kernels.float64;

import org.batchnorm.tornadovm.kernels.Tiles;
import uk.ac.manchester.tornado.api.math.TornadoMath;

/**
 * Sums as pairs of float64, {@code high + low}. Compiled into each kernel that calls it:
 *
 * <pre>{@code
 * double next = high + value;
 * low += Pairs.lost(high, value, next);
 * high = next;
 * }</pre>
 *
 * This needs a compiler that keeps the order of sums. It may fuse a product into a sum that it is added to: the pair
 * then has the exact product or the rounded one.
 */
final class Pairs {
    /** Makes two halves of a double whose products with 26 bits are exact (Veltkamp, in Dekker 1971). */
    private static final double SPLIT = 0x1p27 + 1;

    /**
     * {@code (v + FIRST_BITS) − FIRST_BITS} rounds v to a multiple of 2¹⁶: doubles near 1.5 · 2⁶⁸ are that far apart.
     */
    private static final double FIRST_BITS = 0x1.8p68;

    /** From here on a quotient is split in other units: SPLIT times one of 2⁹⁹⁷ is infinite. */
    private static final double LARGE_QUOTIENT = 0x1p900;

    /** The factor of large quotients, by which nothing of them is lost. */
    private static final double OF_LARGE = 0x1p-200;

    private Pairs() {}

    /** What rounding took from {@code a + b}, which is {@code sum} (Knuth 1969, 4.2.2, theorem B). */
    static double lost(double a, double b, double sum) {
        double ofB = sum - a;
        return (a - (sum - ofB)) + (b - ofB);
    }

    /** The larger part of a pair, of which it is the nearest double; what is infinite or NaN stays what it is. */
    static double high(double first, double second) {
        double sum = first + second;
        double known = first * 0.0 == 0.0 ? sum : first;
        return sum * 0.0 == 0.0 ? sum : known;
    }

    /** The smaller part of the same pair; 0 where the larger one is not finite. */
    static double low(double first, double second) {
        return Tiles.finiteOrZero(second - ((first + second) - first));
    }

    /**
     * What is missing in a quotient: {@code (high + low − quotient · count) / count}. All products here are exact, so
     * that a compiler may fuse them or not, but for the one that splits the quotient: it ends with an addition, and so
     * is rounded whatever the compiler does.
     *
     * @param quotient {@code high / count}, rounded
     * @param count a whole number from 1 to 2⁴²
     */
    static double restOfQuotient(double high, double low, double quotient, double count) {
        double firstBits = (count + FIRST_BITS) - FIRST_BITS;
        double lastBits = count - firstBits;
        double unit = TornadoMath.abs(quotient) < LARGE_QUOTIENT ? 1.0 : OF_LARGE;
        double inUnits = quotient * unit;
        double split = inUnits * SPLIT + 0.0;
        double upper = split - (split - inUnits);
        double lower = inUnits - upper;
        double rest = ((high * unit - upper * firstBits) - upper * lastBits) - lower * firstBits;
        return Tiles.finiteOrZero(((rest - lower * lastBits) + low * unit) / count / unit);
    }
}
