package org.batchnorm.spi;

import org.batchnorm.data.FeatureValues;
import org.jspecify.annotations.Nullable;

/**
 * How a batch is normalized, {@code y = gamma · (x − mean) · rstd + beta}: the parameters and the statistics, C values
 * each, in float32, or all in float64 for batches of FLOAT64. It refers to the arrays, which may change between
 * operations.
 */
public final class Normalization {
    private final @Nullable FeatureValues gamma;
    private final @Nullable FeatureValues beta;
    private final double eps;
    private final BatchStatistics statistics;
    private final boolean throughStatistics;

    /**
     * Refers to parameters and statistics.
     *
     * @param gamma (C); null: ones
     * @param beta (C); null: zeros
     * @param eps added to the variance, {@code rstd = 1 / sqrt(variance + eps)}
     * @param statistics those to normalize with
     * @param throughStatistics whether they are those of the batch, so that gradients flow through them; else they are
     *     given, as running statistics are: transforming then reads their mean and variance, gradients their mean and
     *     rstd
     */
    public Normalization(
            float @Nullable [] gamma,
            float @Nullable [] beta,
            double eps,
            BatchStatistics statistics,
            boolean throughStatistics) {
        this.gamma = gamma == null ? null : FeatureValues.of(gamma);
        this.beta = beta == null ? null : FeatureValues.of(beta);
        this.eps = eps;
        this.statistics = statistics;
        this.throughStatistics = throughStatistics;
    }

    private Normalization(
            @Nullable FeatureValues gamma,
            @Nullable FeatureValues beta,
            double eps,
            BatchStatistics statistics,
            boolean throughStatistics) {
        this.gamma = gamma;
        this.beta = beta;
        this.eps = eps;
        this.statistics = statistics;
        this.throughStatistics = throughStatistics;
    }

    /**
     * The same of parameters of either type, which must be that of the statistics.
     *
     * @param gamma (C); null: ones
     * @param beta (C); null: zeros
     */
    public static Normalization of(
            @Nullable FeatureValues gamma,
            @Nullable FeatureValues beta,
            double eps,
            BatchStatistics statistics,
            boolean throughStatistics) {
        return new Normalization(gamma, beta, eps, statistics, throughStatistics);
    }

    /** The same but with the statistics of other values, which are those of the batch. */
    public Normalization withStatistics(BatchStatistics ofOthers) {
        return new Normalization(gamma, beta, eps, ofOthers, true);
    }

    /** γ, (C); null: ones. Of a normalization in float64: {@link #doubleGamma()}. */
    public float @Nullable [] gamma() {
        return gamma == null ? null : gamma.floats();
    }

    /** β, (C); null: zeros. */
    public float @Nullable [] beta() {
        return beta == null ? null : beta.floats();
    }

    /** γ in float64, (C); null: ones. */
    public double @Nullable [] doubleGamma() {
        return gamma == null ? null : gamma.doubles();
    }

    /** β in float64, (C); null: zeros. */
    public double @Nullable [] doubleBeta() {
        return beta == null ? null : beta.doubles();
    }

    /** What is added to the variance. */
    public double eps() {
        return eps;
    }

    /** The statistics to normalize with. */
    public BatchStatistics statistics() {
        return statistics;
    }

    /** Whether the statistics are the batch's own, so that gradients flow through them. */
    public boolean throughStatistics() {
        return throughStatistics;
    }
}
