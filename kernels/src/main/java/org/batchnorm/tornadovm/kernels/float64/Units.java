package org.batchnorm.tornadovm.kernels.float64;

import uk.ac.manchester.tornado.api.math.TornadoMath;

/**
 * The factors with which values are taken, so that float64 holds their sums and squares: 1, or 2⁻⁶⁰⁰ for features with
 * a value that is very large. Multiplying by a power of two rounds nothing, but what is nothing beside that value.
 * Compiled into each kernel that calls it.
 */
final class Units {
    /** The unit of large values. */
    private static final double LARGE = 0x1p-600;

    /** Of smaller values float64 holds the squares of all distances, and their sum over 2³¹ of them. */
    private static final double SMALL_VALUES = 0x1p490;

    /** Distances whose squares float64 holds, by far, have an rstd of at least this. */
    private static final double LEAST_RSTD = 0x1p-480;

    /** The distance of any value from a mean of less than this is within float64: the mean is less than half an ulp. */
    private static final double LARGE_MEAN = 0x1p969;

    /** The unit of distances from other means. No larger one: 1 / rstd may be small. */
    private static final double HALF = 0.5;

    private Units() {}

    /** That of a sum to which a value comes. */
    static double with(double unit, double value) {
        return TornadoMath.abs(value) < SMALL_VALUES ? unit : LARGE;
    }

    /** That of two sums. */
    static double common(double first, double second) {
        return TornadoMath.min(first, second);
    }

    /** What a sum in one unit is multiplied with in another one. */
    static double move(double from, double to) {
        return from == to ? 1.0 : LARGE;
    }

    /** That of x where it is normalized, so that its distance from the mean is within float64. */
    static double ofDistance(double mean, double rstd) {
        double near = TornadoMath.abs(mean) < LARGE_MEAN ? 1.0 : HALF;
        return rstd < LEAST_RSTD ? LARGE : near;
    }

    /**
     * {@code 1 / sqrt(variance + eps)}; of a variance that float64 does not hold it holds the root. Each root is one
     * that 1 is divided by, as TornadoVM 5.2 makes rsqrt of that: of any other it makes native_sqrt, which takes
     * float32 for float64 on OpenCL.
     */
    static double rstd(double varianceInUnits, double unit, double eps) {
        double variance = variance(varianceInUnits, unit);
        double ofLarge = unit * (1 / TornadoMath.sqrt(varianceInUnits));
        return variance * 0.0 == 0.0 ? 1 / TornadoMath.sqrt(variance + eps) : ofLarge;
    }

    /** A variance, or a sum of squares, as it is without units. */
    static double variance(double inUnits, double unit) {
        return inUnits / unit / unit;
    }
}
