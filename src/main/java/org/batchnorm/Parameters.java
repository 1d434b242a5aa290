package org.batchnorm;

import org.batchnorm.spi.GradientSums;
import org.jspecify.annotations.Nullable;

/**
 * γ and β of a batch normalization and where their gradients go, for a {@link BatchNormFunction}; C values each. It
 * refers to the caller's arrays, which may change between operations.
 *
 * @param gamma γ; null: ones
 * @param beta β; null: zeros
 * @param dgamma where backward writes the gradient by γ; null: nowhere
 * @param dbeta where backward writes the gradient by β; null: nowhere
 */
@SuppressWarnings("ArrayRecordComponent") // the caller's arrays themselves, not their contents
public record Parameters(
        float @Nullable [] gamma, float @Nullable [] beta, float @Nullable [] dgamma, float @Nullable [] dbeta) {

    /** Neither parameters nor gradients: the values are normalized and no more. */
    public static final Parameters NONE = new Parameters(null, null, null, null);

    /** Overwrites the gradients that somebody wants, rounded. */
    void setGradients(GradientSums sums) {
        round(sums.dgamma(), dgamma);
        round(sums.dbeta(), dbeta);
    }

    private static void round(double[] sums, float @Nullable [] gradient) {
        if (gradient != null) {
            for (int c = 0; c < gradient.length; c++) {
                gradient[c] = (float) sums[c];
            }
        }
    }

    /** Parameters whose gradients nobody wants. */
    public static Parameters of(float @Nullable [] gamma, float @Nullable [] beta) {
        return new Parameters(gamma, beta, null, null);
    }
}
