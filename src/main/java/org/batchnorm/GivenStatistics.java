package org.batchnorm;

import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.Normalization;
import org.jspecify.annotations.Nullable;

/** How to normalize with given statistics; the last normalization serves again while the arrays are the same. */
final class GivenStatistics {
    private final double eps;
    private volatile @Nullable Normalization last;

    GivenStatistics(double eps) {
        this.eps = eps;
    }

    @SuppressWarnings("ReferenceEquality") // the very arrays
    Normalization normalization(Parameters parameters, float[] mean, float[] variance) {
        Normalization kept = last;
        if (kept == null
                || kept.gamma() != parameters.gamma()
                || kept.beta() != parameters.beta()
                || kept.statistics().mean() != mean
                || kept.statistics().variance() != variance) {
            BatchStatistics statistics = BatchStatistics.over(mean, variance);
            kept = new Normalization(parameters.gamma(), parameters.beta(), eps, statistics, false);
            last = kept;
        }
        return kept;
    }
}
