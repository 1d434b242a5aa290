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
 * in double precision (rstd in float32), and to the coefficients of {@link Elementwise}. All blocks share the shift, so
 * that their sums are simply added, in one fixed order: Chan's pairwise formula is not needed.
 *
 * <p>A feature is suspect where these sums may have lost too many digits, see {@link Suspect}. What a merge makes of it
 * must then be made again.
 */
public interface MergeStatistics {
    /**
     * Merges the features {@code from} to {@code to}.
     *
     * @param sums in
     * @param f in: count, gamma, beta, eps, far; out: the statistics
     * @param c in: the shift; out: centre, scale and offset
     * @return whether no feature is suspect or {@link Wide} at a quick look, which may also take others for suspect
     */
    boolean merge(Sums sums, PerFeature f, Coefficients c, int from, int to);
}
