package org.batchnorm;

import java.util.OptionalDouble;
import org.batchnorm.data.ElementType;
import org.batchnorm.data.FeatureValues;
import org.batchnorm.spi.BatchStatistics;

/** The running mean and variance of a layer, and how many batches they have seen. */
final class RunningStatistics {
    final FeatureValues mean;
    final FeatureValues variance;
    long numBatchesTracked;

    RunningStatistics(int features, ElementType type) {
        mean = FeatureValues.zeros(type, features);
        variance = FeatureValues.zeros(type, features);
        reset();
    }

    /** Forgets all batches: mean 0, variance 1. */
    void reset() {
        mean.fill(0);
        variance.fill(1);
        numBatchesTracked = 0;
    }

    /** Takes over the statistics of a population, and of how many batches they are. */
    void set(PopulationStatistics.Estimate population) {
        Arguments.requireGiven("population", population, "an Estimate");
        if (population.mean().length != mean.features()) {
            throw new IllegalArgumentException("population: of " + population.mean().length
                    + " features given, must have the layer's " + mean.features());
        }
        for (int c = 0; c < mean.features(); c++) {
            mean.set(c, population.mean()[c]);
            variance.set(c, population.variance()[c]);
        }
        numBatchesTracked = population.batches();
        LayerState.remarkOn("setRunningStatistics", variance);
    }

    /**
     * Follows one more batch: {@code running = (1 − momentum) · running + momentum · batch}, the variance being the
     * unbiased one (divisor m − 1).
     *
     * <p>A batch without values is counted and changes nothing else. With the cumulative average the batches after it
     * weigh accordingly less: where the first batch was empty, the second has the weight 1/2.
     *
     * @param momentum empty: 1 / numBatchesTracked
     */
    void update(BatchStatistics batch, OptionalDouble momentum) {
        numBatchesTracked++;
        long m = batch.count();
        if (m == 0) {
            return;
        }
        double newest = momentum.orElse(1.0 / numBatchesTracked);
        double kept = 1 - newest;
        double newestVariance = newest * (m / (m - 1.0));
        for (int c = 0; c < mean.features(); c++) {
            mean.set(c, kept * mean.get(c) + newest * batch.mean(c));
            variance.set(c, kept * variance.get(c) + newestVariance * variance(batch, c));
        }
    }

    /** Of finite values so far apart that the type cannot hold it, rstd still tells; eps is nothing beside it. */
    private static double variance(BatchStatistics batch, int c) {
        double variance = batch.variance(c);
        double rstd = batch.rstd(c);
        return variance == Double.POSITIVE_INFINITY && rstd > 0 ? 1 / (rstd * rstd) : variance;
    }
}
