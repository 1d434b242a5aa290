package org.batchnorm.cpu;

import org.batchnorm.spi.BatchStatistics;

/** What one thread of an operation has for itself: what it makes itself it need not fetch from another core. */
final class OwnMemory {
    /**
     * Of the columns where a feature has several; of the features in inference, and where the thread merges all for
     * itself.
     */
    final Coefficients coefficients = new Coefficients();

    /** Sums of all partials, of d or dy. */
    double[] sum = {};

    /** Sums of all partials, of d² or products. */
    double[] product = {};

    /** Results that nobody reads, of a merge that the calling thread does, too. */
    BatchStatistics statistics = new BatchStatistics(1);

    float[] dgamma = {};
    float[] dbeta = {};

    /** Makes room for merging so many features; the contents are lost. */
    void reserve(int features) {
        if (sum.length < features) {
            int length = features + PartialSums.APART;
            sum = new double[length];
            product = new double[length];
            statistics = new BatchStatistics(length);
            dgamma = new float[length];
            dbeta = new float[length];
        }
    }
}
