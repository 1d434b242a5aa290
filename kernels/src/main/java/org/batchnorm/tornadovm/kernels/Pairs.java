package org.batchnorm.tornadovm.kernels;

import uk.ac.manchester.tornado.api.math.TornadoMath;

/**
 * Sums of many values and products as pairs of float32, {@code high + low}, which together have the digits of some 48
 * bits: for GPUs that have a float64 operation for every 64 of float32. Compiled into each kernel that calls it:
 *
 * <pre>{@code
 * float next = high + value;
 * low += Pairs.lost(high, value, next);
 * high = next + low; // so that the lower part stays small
 * low -= high - next;
 * }</pre>
 *
 * What rounding loses of a sum of two floats, and of a product, is a float (Knuth 1969, 4.2.2, theorem B; Dekker 1971;
 * Ogita, Rump &amp; Oishi 2005, algorithms 3.1 to 3.3, 5.3). This needs a compiler that keeps the order of sums and
 * does not take a product for exact where it is added: {@link #product} ends with an addition, so that it is one
 * {@code fma} to TornadoVM and no multiplication to the compilers behind it.
 */
final class Pairs {
    /** Products that are smaller than this in the mean may have lost digits to float32's underflow. */
    private static final float TINY = 0x1p-80f;

    /** So far from float32's largest that no step on the way has overflowed. */
    private static final float HUGE = 0x1p120f;

    private Pairs() {}

    /** Four values, two by two. */
    static float sum(float a, float b, float c, float d) {
        return (a + b) + (c + d);
    }

    /** What rounding took from {@link #sum(float, float, float, float)}. */
    static float lost(float a, float b, float c, float d) {
        float first = a + b;
        float second = c + d;
        return (lost(a, b, first) + lost(c, d, second)) + lost(first, second, first + second);
    }

    /** What rounding took from {@code a + b}, which is {@code sum}. */
    static float lost(float a, float b, float sum) {
        float ofB = sum - a;
        return (a - (sum - ofB)) + (b - ofB);
    }

    /** {@code a · b}, rounded; never -0. */
    static float product(float a, float b) {
        return a * b + 0f;
    }

    /** What rounding added to {@code a · b}, which is {@code product}; less than 0 where it took something. */
    static float added(float a, float b, float product) {
        return -a * b + product;
    }

    /** The whole of a pair; infinite where its larger part is. */
    static double whole(float high, float low) {
        return high + (double) Tiles.finiteOrZero(low);
    }

    /**
     * Negative where float32 was too short for sums and products of {@code count} values, and they must be added in
     * float64: where something is infinite or NaN, or products are so small that what rounding takes of them is none. A
     * number, because TornadoVM 5.2 makes wrong code of comparisons joined by {@code &&} and {@code ||}.
     *
     * @param first a sum of values, and {@code second} another one
     * @param size the sum of the magnitudes of products; if that and {@code first} are 0, all values are taken for 0
     */
    static float reliability(float first, float second, float size, int count) {
        float inRange = TornadoMath.min(size - TINY * count, HUGE - size);
        float ofSize = TornadoMath.abs(first) + size == 0f ? 0f : inRange;
        return (first + second + size) * 0f == 0f ? ofSize : -1f;
    }
}
