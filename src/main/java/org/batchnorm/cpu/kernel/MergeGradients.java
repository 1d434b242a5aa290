package org.batchnorm.cpu.kernel;

/**
 * From each feature's sums of {@code w = dy − dyShift} and of {@code w · (x − shift)} to the gradients of the
 * parameters,
 *
 * <pre>
 *   dbeta  = Σw + m · dyShift
 *   dgamma = rstd · (Σ w · (x − shift) − (mean − shift) · Σw)
 * </pre>
 *
 * in double precision, and from these, not yet rounded, to the coefficients of {@link Elementwise}. dgamma does not
 * depend on dyShift, because the values of {@code x − mean} add up to 0.
 *
 * <p>Two values determine their mean and variance, so that the gradient through the statistics of m = 2 values would be
 * zero but for eps. The general formula finds that remainder as the difference of nearly equal numbers and loses all of
 * its digits. With {@code d = (x₁ − x₂) / 2}, {@code rstd = 1 / sqrt(d² + eps)} and {@code 1 − d² · rstd² = eps ·
 * rstd²} it is {@code dx = gamma · eps · rstd³ · (dy − dbeta / 2)}, in double precision: see {@link Wide}.
 */
public interface MergeGradients {
    /**
     * Merges the features {@code from} to {@code to}.
     *
     * @param sums in
     * @param f in: count, gamma, eps, statistics, throughStatistics; out: the gradients
     * @param c in: the shifts; out: centre, scale and offset, and, through the statistics, dyCentre and slope
     * @return whether all gradients are finite in float32, and no feature is {@link Wide}. Other gradients must be made
     *     again in double precision, as they may be infinite or NaN only because a float32 product or sum overflowed
     */
    boolean merge(Sums sums, PerFeature f, Coefficients c, int from, int to);
}
