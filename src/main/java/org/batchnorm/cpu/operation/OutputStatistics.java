package org.batchnorm.cpu.operation;

import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.spi.BatchStatistics;

/**
 * What stands for the statistics of x in a backward that has y in its place. As {@code z = output⁻¹(y) = gamma · x̂ +
 * beta}, it is {@code x̂ = (z − mean) · rstd} with {@code mean = beta} and {@code rstd = 1 / gamma}. So the backward is
 * that of z in the place of x, but for the factor {@code gamma · rstd} of dx, whose rstd is the forward's.
 */
final class OutputStatistics {
    private BatchStatistics statistics = new BatchStatistics(1);

    OutputStatistics() {}

    /**
     * Those of z, whose standard deviation is at most |γ|.
     *
     * @param forward in, the coefficients of the forward
     */
    BatchStatistics of(PerFeature f, Coefficients forward, int features) {
        if (statistics.features() < features) {
            statistics = new BatchStatistics(features);
        }
        statistics.count(f.ofForward.count());
        for (int c = 0; c < features; c++) {
            double mean = mean(f, forward, c);
            statistics.mean()[c] = (float) mean;
            statistics.meanLow()[c] = (float) (mean - (float) mean);
            statistics.rstd()[c] = 1 / f.gamma[c];
            statistics.variance()[c] = f.gamma[c] * f.gamma[c];
        }
        return statistics;
    }

    /**
     * The mean that z has. It is β but for what rounding took from the offset of the forward, which is the same in all
     * values: without it dγ would be off by so much of dβ. A feature that was mapped in double precision has no offset.
     */
    private static double mean(PerFeature f, Coefficients forward, int feature) {
        float scale = forward.scale[feature];
        double mean = forward.offset[feature] + (double) f.ofForward.meanLow()[feature] * scale;
        return Float.isNaN(scale) ? f.beta[feature] : mean;
    }
}
