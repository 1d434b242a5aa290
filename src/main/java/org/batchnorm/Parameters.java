package org.batchnorm;

import org.batchnorm.data.FeatureValues;
import org.batchnorm.spi.GradientSums;
import org.jspecify.annotations.Nullable;

/**
 * γ and β of a batch normalization and where their gradients go, for a {@link BatchNormFunction}; C values each, all in
 * float32 or, for a function of FLOAT64, all in float64. It refers to the caller's arrays, which may change between
 * operations.
 */
public final class Parameters {
    /** Neither parameters nor gradients: the values are normalized and no more. */
    public static final Parameters NONE = new Parameters((FeatureValues) null, null, null, null);

    final @Nullable FeatureValues gamma;
    final @Nullable FeatureValues beta;
    final @Nullable FeatureValues dgamma;
    final @Nullable FeatureValues dbeta;

    /**
     * Refers to arrays.
     *
     * @param gamma γ; null: ones
     * @param beta β; null: zeros
     * @param dgamma where backward writes the gradient by γ; null: nowhere
     * @param dbeta where backward writes the gradient by β; null: nowhere
     */
    public Parameters(
            float @Nullable [] gamma, float @Nullable [] beta, float @Nullable [] dgamma, float @Nullable [] dbeta) {
        this(values(gamma), values(beta), values(dgamma), values(dbeta));
    }

    Parameters(
            @Nullable FeatureValues gamma,
            @Nullable FeatureValues beta,
            @Nullable FeatureValues dgamma,
            @Nullable FeatureValues dbeta) {
        this.gamma = gamma;
        this.beta = beta;
        this.dgamma = dgamma;
        this.dbeta = dbeta;
    }

    /** Parameters whose gradients nobody wants. */
    public static Parameters of(float @Nullable [] gamma, float @Nullable [] beta) {
        return new Parameters(gamma, beta, null, null);
    }

    /** Parameters in float64; each may be null, as in {@link #Parameters}. */
    public static Parameters ofDoubles(
            double @Nullable [] gamma,
            double @Nullable [] beta,
            double @Nullable [] dgamma,
            double @Nullable [] dbeta) {
        return new Parameters(values(gamma), values(beta), values(dgamma), values(dbeta));
    }

    private static @Nullable FeatureValues values(float @Nullable [] array) {
        return array == null ? null : FeatureValues.of(array);
    }

    private static @Nullable FeatureValues values(double @Nullable [] array) {
        return array == null ? null : FeatureValues.of(array);
    }

    /** γ; null: ones. Of parameters in float64: {@link #doubleGamma()}. */
    public float @Nullable [] gamma() {
        return gamma == null ? null : gamma.floats();
    }

    /** β; null: zeros. Of parameters in float64: {@link #doubleBeta()}. */
    public float @Nullable [] beta() {
        return beta == null ? null : beta.floats();
    }

    /** Where backward writes the gradient by γ; null: nowhere. Of parameters in float64: {@link #doubleDgamma()}. */
    public float @Nullable [] dgamma() {
        return dgamma == null ? null : dgamma.floats();
    }

    /** Where backward writes the gradient by β; null: nowhere. Of parameters in float64: {@link #doubleDbeta()}. */
    public float @Nullable [] dbeta() {
        return dbeta == null ? null : dbeta.floats();
    }

    /** {@link #gamma()} in float64. */
    public double @Nullable [] doubleGamma() {
        return gamma == null ? null : gamma.doubles();
    }

    /** {@link #beta()} in float64. */
    public double @Nullable [] doubleBeta() {
        return beta == null ? null : beta.doubles();
    }

    /** {@link #dgamma()} in float64. */
    public double @Nullable [] doubleDgamma() {
        return dgamma == null ? null : dgamma.doubles();
    }

    /** {@link #dbeta()} in float64. */
    public double @Nullable [] doubleDbeta() {
        return dbeta == null ? null : dbeta.doubles();
    }

    /** Copies of γ and β, in the arrays of earlier ones where these fit. */
    Parameters copied(@Nullable Parameters earlier) {
        FeatureValues ofGamma = copy(gamma, earlier == null ? null : earlier.gamma);
        FeatureValues ofBeta = copy(beta, earlier == null ? null : earlier.beta);
        if (earlier != null && earlier.gamma == ofGamma && earlier.beta == ofBeta) {
            return earlier;
        }
        return new Parameters(ofGamma, ofBeta, null, null);
    }

    private static @Nullable FeatureValues copy(@Nullable FeatureValues values, @Nullable FeatureValues earlier) {
        if (values == null) {
            return null;
        }
        FeatureValues copy = earlier;
        if (copy == null || copy.type() != values.type() || copy.features() != values.features()) {
            copy = FeatureValues.zeros(values.type(), values.features());
        }
        copy.set(values);
        return copy;
    }

    /** Overwrites the gradients that somebody wants, rounded. */
    void setGradients(GradientSums sums) {
        round(sums.dgamma(), dgamma);
        round(sums.dbeta(), dbeta);
    }

    private static void round(double[] sums, @Nullable FeatureValues gradient) {
        if (gradient != null) {
            for (int c = 0; c < sums.length; c++) {
                gradient.set(c, sums[c]);
            }
        }
    }
}
