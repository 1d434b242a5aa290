package org.batchnorm;

import java.util.Arrays;
import java.util.OptionalDouble;
import org.batchnorm.spi.BatchStatistics;

/** The running mean and variance of a layer, and how many batches they have seen. */
final class RunningStatistics {
    final float[] mean;
    final float[] variance;
    long numBatchesTracked;

    RunningStatistics(int features) {
        mean = new float[features];
        variance = new float[features];
        reset();
    }

    /** Forgets all batches: mean 0, variance 1. */
    void reset() {
        Arrays.fill(mean, 0);
        Arrays.fill(variance, 1);
        numBatchesTracked = 0;
    }

    /** Takes over the statistics of a population, and of how many batches they are. */
    void set(PopulationStatistics.Estimate population) {
        Arguments.requireGiven("population", population, "an Estimate");
        if (population.mean().length != mean.length) {
            throw new IllegalArgumentException("population: of " + population.mean().length
                    + " features given, must have the layer's " + mean.length);
        }
        for (int c = 0; c < mean.length; c++) {
            mean[c] = (float) population.mean()[c];
            variance[c] = (float) population.variance()[c];
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
        for (int c = 0; c < mean.length; c++) {
            double batchMean = (double) batch.mean()[c] + batch.meanLow()[c];
            mean[c] = (float) (kept * mean[c] + newest * batchMean);
            variance[c] = (float) (kept * variance[c] + newestVariance * variance(batch, c));
        }
    }

    /** Of finite values so far apart that float32 cannot hold it, rstd still tells; eps is nothing beside it. */
    private static double variance(BatchStatistics batch, int c) {
        float variance = batch.variance()[c];
        double rstd = batch.rstd()[c];
        return variance == Float.POSITIVE_INFINITY && rstd > 0 ? 1 / (rstd * rstd) : variance;
    }
}
