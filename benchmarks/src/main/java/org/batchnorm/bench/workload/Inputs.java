package org.batchnorm.bench.workload;

import org.batchnorm.conformance.Reference;

/**
 * The data of one measurement, the same for every implementation: a function of the shape alone. Values are uniform
 * with mean 0 and variance 1 (x, dy), near 1 (gamma, running variance) and near 0 (beta, running mean).
 *
 * @param x (N, C, S) in the shape's layout
 * @param dy as x; empty where the operation has none
 * @param gamma (C)
 * @param beta (C)
 * @param runningMean (C)
 * @param runningVar (C)
 */
@SuppressWarnings("ArrayRecordComponent") // a bag of live arrays, never compared
public record Inputs(float[] x, float[] dy, float[] gamma, float[] beta, float[] runningMean, float[] runningVar) {

    /** The eps of every measurement, PyTorch's default. */
    public static final double EPS = 1e-5;

    private static final double SQRT_12 = Math.sqrt(12);

    /** The inputs of the operation on the shape. */
    public static Inputs of(Operation operation, BenchShape shape) {
        int c = shape.c();
        return new Inputs(
                uniform(1, shape.elements(), 0, 1),
                operation == Operation.BACKWARD ? uniform(2, shape.elements(), 0, 1) : new float[0],
                uniform(3, c, 1, 0.1),
                uniform(4, c, 0, 0.1),
                uniform(5, c, 0, 0.1),
                uniform(6, c, 1, 0.1));
    }

    /**
     * The mean and biased variance of x, (C) each: what a peer's backward is given where its forward would have saved
     * them.
     */
    public BatchMoments moments(BenchShape shape) {
        Reference.Statistics statistics = Reference.statistics(shape.batchShape(), Reference.widen(x), EPS);
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
