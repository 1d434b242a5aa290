package org.batchnorm.bench.workload;

import org.batchnorm.conformance.Reference;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;

/**
 * The data of one measurement, the same for every implementation: a function of the shape and the kind alone. Values
 * are uniform with mean 0 and variance 1 (x, dy, residual), near 1 (gamma, running variance) and near 0 (beta, running
 * mean). Those of tensors are values of the kind's type.
 *
 * @param kind what they are for
 * @param x (N, C, S) in the shape's layout
 * @param dy as x; empty where the operation has none. It is 0 where the activation's argument is so near to 0 that
 *     rounding decides on which side: there every implementation may take either derivative
 * @param residual as x; empty where there is none
 * @param gamma (C)
 * @param beta (C)
 * @param runningMean (C)
 * @param runningVar (C)
 */
@SuppressWarnings("ArrayRecordComponent") // a bag of live arrays, never compared
public record Inputs(
        Kind kind,
        float[] x,
        float[] dy,
        float[] residual,
        float[] gamma,
        float[] beta,
        float[] runningMean,
        float[] runningVar) {

    /** The eps of every measurement, PyTorch's default. */
    public static final double EPS = 1e-5;

    private static final double SQRT_12 = Math.sqrt(12);

    /** Nearer to 0 than this, rounding may decide on the sign of an activation's argument. */
    private static final double NEAR_ZERO = 1e-4;

    /** The inputs of the plain operation on the shape. */
    public static Inputs of(Operation operation, BenchShape shape) {
        return of(operation, shape, Kind.PLAIN);
    }

    /** The inputs of the operation of that kind on the shape. */
    public static Inputs of(Operation operation, BenchShape shape, Kind kind) {
        int c = shape.c();
        Inputs in = new Inputs(
                kind,
                rounded(uniform(1, shape.elements(), 0, 1), kind.type()),
                operation == Operation.BACKWARD
                        ? rounded(uniform(2, shape.elements(), 0, 1), kind.type())
                        : new float[0],
                kind.fusion().residual() ? rounded(uniform(7, shape.elements(), 0, 1), kind.type()) : new float[0],
                uniform(3, c, 1, 0.1),
                uniform(4, c, 0, 0.1),
                uniform(5, c, 0, 0.1),
                uniform(6, c, 1, 0.1));
        if (operation == Operation.BACKWARD
                && !kind.fusion().activations().output().isNone()) {
            in.clearGradientsNearZero(shape);
        }
        return in;
    }

    private static float[] rounded(float[] values, ElementType type) {
        if (type.is16Bit()) {
            for (int i = 0; i < values.length; i++) {
                values[i] = type.toFloat(type.toBits(values[i]));
            }
        }
        return values;
    }

    private void clearGradientsNearZero(BenchShape shape) {
        BatchMoments moments = moments(shape);
        Activation input = kind.fusion().activations().input();
        for (int i = 0; i < x.length; i++) {
            int feature = Reference.feature(shape.batchShape(), i);
            double normalized = ((double) input.of(x[i]) - moments.mean()[feature]) * moments.rstd()[feature];
            double argument = gamma[feature] * normalized + beta[feature] + (residual.length == 0 ? 0 : residual[i]);
            if (Math.abs(argument) < NEAR_ZERO) {
                dy[i] = 0;
            }
        }
    }

    /** What batch normalization normalizes, in double precision: x, or the activation of it. */
    double[] normalized() {
        return activated(Reference.widen(x), kind.fusion().activations().input());
    }

    /** The activation of each value, written over it. */
    static double[] activated(double[] values, Activation activation) {
        if (!activation.isNone()) {
            for (int i = 0; i < values.length; i++) {
                values[i] = values[i] > 0 ? values[i] : activation.negativeSlope() * values[i];
            }
        }
        return values;
    }

    /**
     * The mean and biased variance of what is normalized, x or its activation, (C) each: what a peer's backward is
     * given where its forward would have saved them.
     */
    public BatchMoments moments(BenchShape shape) {
        Reference.Statistics statistics = Reference.statistics(shape.batchShape(), normalized(), EPS);
        float[] rstd = narrow(statistics.rstd());
        return new BatchMoments(narrow(statistics.mean()), narrow(statistics.variance()), rstd);
    }

    private static float[] narrow(double[] values) {
        float[] narrow = new float[values.length];
        for (int i = 0; i < narrow.length; i++) {
            narrow[i] = (float) values[i];
        }
        return narrow;
    }

    /**
     * Uniform values of that mean and standard deviation; the mixing function is SplitMix64's (Steele, Lea, Flood
     * 2014).
     */
    private static float[] uniform(long stream, int length, double mean, double standardDeviation) {
        float[] values = new float[length];
        long state = stream << 40;
        for (int i = 0; i < length; i++) {
            state += 0x9E3779B97F4A7C15L;
            long z = (state ^ (state >>> 30)) * 0xBF58476D1CE4E5B9L;
            z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
            double unit = ((z ^ (z >>> 31)) >>> 11) * 0x1.0p-53;
            values[i] = (float) (mean + standardDeviation * SQRT_12 * (unit - 0.5));
        }
        return values;
    }

    /**
     * The statistics of a batch, (C) each.
     *
     * @param mean the mean
     * @param variance the biased variance
     * @param rstd {@code 1 / sqrt(variance + eps)}
     */
    @SuppressWarnings("ArrayRecordComponent") // a bag of live arrays, never compared
    public record BatchMoments(float[] mean, float[] variance, float[] rstd) {}
}
