package org.batchnorm.float64;

import java.util.Random;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activations;
import org.jspecify.annotations.Nullable;

/**
 * What one step on a batch of FLOAT64 is given.
 *
 * @param shape of x, dy and residual
 * @param gamma (C); null: ones
 * @param beta (C); null: zeros
 * @param residual null: none
 * @param mean (C), that of given statistics; null: those of the batch
 * @param variance (C), that of given statistics
 */
@SuppressWarnings("ArrayRecordComponent") // a bundle of inputs, never compared
public record Inputs(
        BatchShape shape,
        double[] x,
        double[] dy,
        double @Nullable [] gamma,
        double @Nullable [] beta,
        double @Nullable [] residual,
        double @Nullable [] mean,
        double @Nullable [] variance,
        double eps,
        Activations activations) {

    static final double EPS = 1e-5;

    /** Odd, and no factor of a C or S of the tests: zeros of either sign fall on every feature. */
    private static final int ZEROS_APART = 19;

    /** Normal values of the batch's own statistics; each feature has its own mean and spread. */
    public static Inputs random(BatchShape shape, long seed) {
        return random(shape, seed, 0, 1);
    }

    /** With features around {@code mean} that spread about {@code spread}. */
    public static Inputs random(BatchShape shape, long seed, double mean, double spread) {
        Random random = new Random(seed);
        int features = shape.c();
        double[] means = new double[features];
        double[] spreads = new double[features];
        double[] gamma = new double[features];
        double[] beta = new double[features];
        for (int c = 0; c < features; c++) {
            means[c] = mean + spread * random.nextGaussian();
            spreads[c] = spread * (0.5 + random.nextDouble());
            gamma[c] = 1 + 0.5 * random.nextGaussian();
            beta[c] = random.nextGaussian();
        }
        double[] x = new double[Math.toIntExact(shape.elements())];
        double[] dy = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            int c = Reference.feature(shape, i);
            x[i] = means[c] + spreads[c] * random.nextGaussian();
            dy[i] = random.nextGaussian();
        }
        return new Inputs(shape, x, dy, gamma, beta, null, null, null, EPS, Activations.NONE);
    }

    /** With some values of x that are 0 or −0, at which an activation before batch norm bends. */
    public Inputs withZeros() {
        double[] some = x.clone();
        for (int i = 0; i < some.length; i += ZEROS_APART) {
            some[i] = i % 2 == 0 ? 0. : -0.;
        }
        return withX(some);
    }

    /** With activations. */
    public Inputs with(Activations newActivations) {
        return new Inputs(shape, x, dy, gamma, beta, residual, mean, variance, eps, newActivations);
    }

    /** With another x. */
    public Inputs withX(double[] newX) {
        return new Inputs(shape, newX, dy, gamma, beta, residual, mean, variance, eps, activations);
    }

    /** With another dy. */
    public Inputs withDy(double[] newDy) {
        return new Inputs(shape, x, newDy, gamma, beta, residual, mean, variance, eps, activations);
    }

    /** With another eps. */
    public Inputs withEps(double newEps) {
        return new Inputs(shape, x, dy, gamma, beta, residual, mean, variance, newEps, activations);
    }

    /** Without γ and β. */
    public Inputs withoutParameters() {
        return new Inputs(shape, x, dy, null, null, residual, mean, variance, eps, activations);
    }

    /** With a residual. */
    public Inputs withResidual(long seed) {
        Random random = new Random(seed);
        double[] values = random.doubles(x.length, -2, 2).toArray();
        return new Inputs(shape, x, dy, gamma, beta, values, mean, variance, eps, activations);
    }

    /** With statistics that are given. */
    public Inputs withGivenStatistics(long seed) {
        Random random = new Random(seed);
        double[] newMean = random.doubles(shape.c(), -1, 1).toArray();
        double[] newVariance = random.doubles(shape.c(), 0.5, 2).toArray();
        return new Inputs(shape, x, dy, gamma, beta, residual, newMean, newVariance, eps, activations);
    }

    /** Whether the statistics are those of the batch. */
    boolean ofBatch() {
        return mean == null;
    }
}
