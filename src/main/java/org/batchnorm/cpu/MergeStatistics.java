package org.batchnorm.cpu;

import org.batchnorm.spi.BatchStatistics;

/**
 * The kernel {@code mergeStatistics}: from each feature's sums of {@code d = x − shift} and {@code d²} to the
 * statistics,
 *
 * <pre>
 *   mean     = shift + Σd / m
 *   variance = (Σd² − (Σd)² / m) / m
 *   rstd     = 1 / sqrt(variance + eps)
 * </pre>
 *
 * in double precision (rstd in float32), and to the coefficients of {@link Transform}. As all blocks share the shift,
 * adding their sums in one fixed order is what Chan's pairwise merge comes to.
 *
 * <p>The difference cancels where the shift is far from the mean (several outliers among the sampled rows), and d²
 * leaves the range of float32 where |d| is beyond 1e19 or below 1e-19. Both are seen from the sums; such a feature is
 * done again in double precision.
 */
interface MergeStatistics {
    /** Beyond this ratio of (mean − shift)² to the variance the difference has lost too many of its bits. */
    float FAR = 64;

    /** Mean squares below this have lost bits to float32's underflow. */
    float TINY = 1e-32f;

    /**
     * Merges the features {@code from} to {@code to}.
     *
     * @param x the values, for what is done again
     * @param start position of the first value
     * @param sum in, Σd, (C)
     * @param square in, Σd², (C)
     * @param gamma in, (C)
     * @param beta in, (C)
     * @param statistics out
     * @param coefficients in, the shift as {@code centre}; out, those of {@link Transform}
     */
    void run(
            Blocks blocks,
            Object x,
            long start,
            double[] sum,
            double[] square,
            double eps,
            float[] gamma,
            float[] beta,
            BatchStatistics statistics,
            Coefficients coefficients,
            int from,
            int to);
}
