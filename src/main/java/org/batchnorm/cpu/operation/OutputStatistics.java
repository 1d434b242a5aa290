package org.batchnorm.cpu.operation;

import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Wide;
import org.batchnorm.spi.BatchStatistics;

/**
 * What stands for the statistics of x in a backward that has y in its place. As {@code z = output⁻¹(y) = gamma · x̂ +
 * beta}, it is {@code x̂ = (z − mean) · rstd} with {@code mean = beta} and {@code rstd = 1 / gamma}. So the backward is
 * that of z in the place of x, but for the factor {@code gamma · rstd} of dx, whose rstd is the forward's.
 */
final class OutputStatistics {
    private BatchStatistics statistics = new BatchStatistics(1);

    OutputStatistics() {}

    /** Those of z, whose standard deviation is at most |γ|. */
    BatchStatistics of(PerFeature f, int features) {
        if (statistics.features() < features) {
            statistics = new BatchStatistics(features);
        }
        statistics.count(f.ofForward.count());
        for (int c = 0; c < features; c++) {
            double mean = mean(f, c);
            statistics.mean()[c] = (float) mean;
            statistics.meanLow()[c] = (float) (mean - (float) mean);
            statistics.rstd()[c] = 1 / f.gamma[c];
            statistics.variance()[c] = f.gamma[c] * f.gamma[c];
        }
        return statistics;
    }

    /**
     * The mean that z has. It is β but for what rounding took from the offset of the forward, which is the same in all
     * values: without it dγ would be off by so much of dβ. What the forward mapped in double has an exact offset.
     */
    private static double mean(PerFeature f, int feature) {
        float beta = f.beta[feature];
        float meanLow = f.ofForward.meanLow()[feature];
        float scale = f.gamma[feature] * f.ofForward.rstd()[feature];
        if (!f.throughStatistics || Wide.isWide(scale, f.ofForward.mean()[feature])) {
            return beta;
        }
        float offset = beta - meanLow * scale;
        return offset + (double) meanLow * scale;
    }
}
