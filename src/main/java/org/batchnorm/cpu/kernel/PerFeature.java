package org.batchnorm.cpu.kernel;

import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;

/**
 * What an operation has for each feature beside sums and coefficients: the parameters, and the arrays of its results.
 * An operation has one of these; so has each thread, for when it merges all features for itself.
 */
public final class PerFeature {
    private static final float[] NONE = {};
    private static final BatchStatistics NO_STATISTICS = new BatchStatistics(1);
    private static final GradientSums NO_GRADIENTS = new GradientSums(1);

    /** m, the values of each feature. */
    public long count;

    /** Beyond this ratio of (mean − shift)² to the variance the shift is far from the mean. */
    public float far = 1;

    /** γ, (C). */
    public float[] gamma = NONE;

    /** β, (C). */
    public float[] beta = NONE;

    /** What is added to the variance. */
    public double eps;

    /** The statistics: an output of the forward; an input of the backward, for which x̂ = (x − mean) · rstd. */
    public BatchStatistics statistics = NO_STATISTICS;

    /** Those of the forward, whose rstd is a factor of dx; others only where y stands in the place of x. */
    public BatchStatistics ofForward = NO_STATISTICS;

    /** The gradients of γ and β: an output of the backward. */
    public GradientSums gradients = NO_GRADIENTS;

    /** Whether gradients flow through the statistics. */
    public boolean throughStatistics;

    /** Takes what another has; the arrays are shared. */
    public void set(PerFeature other) {
        count = other.count;
        far = other.far;
        gamma = other.gamma;
        beta = other.beta;
        eps = other.eps;
        statistics = other.statistics;
        ofForward = other.ofForward;
        gradients = other.gradients;
        throughStatistics = other.throughStatistics;
    }

    /** Lets go of the caller's memory; until they are set again, nobody may ask for them. */
    @SuppressWarnings("NullAway")
    public void clear() {
        // Null, not a placeholder: the garbage collector need not keep track of null.
        gamma = null;
        beta = null;
        statistics = null;
        ofForward = null;
        gradients = null;
    }
}
