package org.batchnorm.cpu.kernel;

import org.batchnorm.cpu.cut.Cut;

/**
 * From each feature's sums of {@code d = x − shift} and {@code d²} to the statistics,
 *
 * <pre>
 *   mean     = shift + Σd / m
 *   variance = (Σd² − (Σd)² / m) / m
 *   rstd     = 1 / sqrt(variance + eps)
 * </pre>
 *
 * in double precision (rstd in float32), and to the coefficients of {@link Elementwise}. As all blocks share the shift,
 * adding their sums in one fixed order is what Chan's pairwise merge comes to.
 *
 * <p>The difference cancels where the shift is far from the mean (several outliers among the sampled rows), and d²
 * leaves the range of float32 where |d| is beyond 1e19 or below 1e-19. Both are seen from the sums; such a feature is
 * called suspect, and its statistics are made again from its values in double precision.
 */
public interface MergeStatistics {
    /** Beyond this ratio of (mean − shift)² to the variance the difference has lost too many of its bits. */
    float FAR = 64;

    /** Mean squares below this have lost bits to float32's underflow. */
    float TINY = 1e-32f;

    /**
     * Merges the features {@code from} to {@code to}.
     *
     * @param o the values, for what is done again
     * @param sums in
     * @param f in: count, gamma, beta, eps; out: the statistics
     * @param c in: the shift; out: centre, scale and offset
     */
    void merge(Cut cut, Operands o, Sums sums, PerFeature f, Coefficients c, int from, int to);
}
