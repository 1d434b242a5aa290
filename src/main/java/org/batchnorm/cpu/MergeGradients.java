package org.batchnorm.cpu;

import org.batchnorm.spi.BatchStatistics;

/**
 * The kernel that goes from each feature's sums of {@code dy} and of {@code dy · (x − mean)} to the gradients of the
 * parameters,
 *
 * <pre>
 *   dbeta  = Σdy
 *   dgamma = rstd · (Σ dy · (x − mean) − meanLow · Σdy)
 * </pre>
 *
 * in double precision, and from these, not yet rounded, to the coefficients of {@link InputGradient}.
 */
interface MergeGradients {
    /**
     * Merges the features {@code from} to {@code to}.
     *
     * @param perValue 1 / m
     * @param sum in, Σdy, (C)
     * @param product in, Σ dy · (x − mean), (C); may be destroyed
     * @param gamma in, (C)
     * @param statistics in
     * @param dgamma out, (C)
     * @param dbeta out, (C)
     * @param coefficients out, all but {@code centre}
     */
    void run(
            double perValue,
            double[] sum,
            double[] product,
            float[] gamma,
            BatchStatistics statistics,
            float[] dgamma,
            float[] dbeta,
            Coefficients coefficients,
            int from,
            int to);
}
