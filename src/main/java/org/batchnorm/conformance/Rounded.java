package org.batchnorm.conformance;

import org.batchnorm.data.BatchShape;
import org.jspecify.annotations.Nullable;

/**
 * How large the numbers are that float32 has to round on the way to a result. Where terms cancel they are larger than
 * the result. No backend can do better than a rounding of them, so {@link ErrorBound} takes them into account. There is
 * one magnitude for each expected value.
 *
 * <p>With m = N·S values a feature and {@code g = dy − mean(dy)}, the mean taken over the feature:
 *
 * <ul>
 *   <li>dx: {@code |γ · rstd · g| + 2⁻¹⁰ · |γ · rstd · dy|}, value by value;
 *   <li>dγ: {@code ‖g · x̂‖₂ + 2⁻¹⁰ · ‖dy · x̂‖₂}, norms over the values of the feature;
 *   <li>dβ: {@code ‖dy‖₂};
 *   <li>y with a residual: the larger of {@code |BN(x)|} and {@code |residual|}, which may cancel;
 *   <li>mean: {@code std / √m};
 *   <li>running mean: {@code momentum · std / √m}, the batch's share;
 *   <li>everything else: 0, so that the expected values alone count.
 * </ul>
 *
 * The terms with 2⁻¹⁰ are for taking the mean out of dy. If the statistics are given constants, nothing is taken out of
 * dy. Then g is dy itself, and the terms with 2⁻¹⁰ fall away: dx has {@code |γ · rstd · dy|}, which is |dx|, and dγ has
 * {@code ‖dy · x̂‖₂}.
 */
public final class Rounded {
    private static final double OF_WHAT_IS_CENTERED = 0x1p-10;

    private Rounded() {}

    /** Zeros: the expected values alone count. */
    public static double[] nothing(int length) {
        return new double[length];
    }

    /**
     * For y with a residual; the arguments are those of {@link Reference#addResidual}.
     *
     * @return a magnitude for each value of y
     */
    public static double[] withResidual(double[] bn, double[] residual) {
        double[] rounded = new double[bn.length];
        for (int i = 0; i < rounded.length; i++) {
            rounded[i] = Math.max(Math.abs(bn[i]), Math.abs(residual[i]));
        }
        return rounded;
    }

    /**
     * For the mean of a batch, (C).
     *
     * @param variance the biased variance, (C)
     */
    public static double[] mean(BatchShape shape, double[] variance) {
        return runningMean(shape, variance, 1);
    }

    /**
     * For the running mean after a batch, (C).
     *
     * @param variance the batch's biased variance, (C)
     * @param momentum the share of the batch
     */
    public static double[] runningMean(BatchShape shape, double[] variance, double momentum) {
        double[] rounded = new double[variance.length];
        for (int c = 0; c < rounded.length; c++) {
            rounded[c] = momentum * Math.sqrt(variance[c] / shape.valuesPerFeature());
        }
        return rounded;
    }

    /**
     * For the gradients; the arguments are those of {@link Reference#backward}.
     *
     * @param x {@code shape}
     * @param dy {@code shape}
     * @param gamma (C); null: ones
     * @param mean (C)
     * @param rstd (C)
     * @param throughStatistics whether the statistics are the batch's, so that gradients flow through them
     * @return magnitudes, each in the place of the gradient to which it belongs
     */
    public static Reference.Gradients gradients(
            BatchShape shape,
            double[] x,
            double[] dy,
            double @Nullable [] gamma,
            double[] mean,
            double[] rstd,
            boolean throughStatistics) {
        double[] center = throughStatistics ? Reference.mean(shape, dy) : new double[shape.c()];
        double share = throughStatistics ? OF_WHAT_IS_CENTERED : 0;
        double[] dx = new double[x.length];
        double[] centered = new double[shape.c()];
        double[] whole = new double[shape.c()];
        double[] dbeta = new double[shape.c()];
        for (int i = 0; i < x.length; i++) {
            int c = Reference.feature(shape, i);
            double g = dy[i] - center[c];
            double normalized = (x[i] - mean[c]) * rstd[c];
            dx[i] = Math.abs((gamma == null ? 1 : gamma[c]) * rstd[c]) * (Math.abs(g) + share * Math.abs(dy[i]));
            centered[c] += square(g * normalized);
            whole[c] += square(dy[i] * normalized);
            dbeta[c] += square(dy[i]);
        }
        double[] dgamma = new double[shape.c()];
        for (int c = 0; c < dgamma.length; c++) {
            dgamma[c] = Math.sqrt(centered[c]) + share * Math.sqrt(whole[c]);
            dbeta[c] = Math.sqrt(dbeta[c]);
        }
        return new Reference.Gradients(dx, dgamma, dbeta);
    }

    private static double square(double value) {
        return value * value;
    }
}
