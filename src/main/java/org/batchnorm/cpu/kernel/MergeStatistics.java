package org.batchnorm.cpu.kernel;

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
 * <p>A feature is suspect where these sums may have lost too much, see {@link Suspect}. What a merge makes of it must
 * then be made again.
 */
public interface MergeStatistics {
    /**
     * Merges the features {@code from} to {@code to}.
     *
     * @param sums in
     * @param f in: count, gamma, beta, eps, far; out: the statistics
     * @param c in: the shift; out: centre, scale and offset
     * @return whether no feature is suspect
     */
    boolean merge(Sums sums, PerFeature f, Coefficients c, int from, int to);
}
