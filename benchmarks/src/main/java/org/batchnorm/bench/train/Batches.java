package org.batchnorm.bench.train;

import org.batchnorm.bench.data.Dataset;

/**
 * The batches of a training, one after another: all images shuffled anew in each epoch, a last smaller batch skipped.
 */
public final class Batches {
    private final Dataset data;
    private final BatchOrder order;
    private final Trainee.Batch batch;

    /**
     * Batches of a data set.
     *
     * @param batchSize images a batch, at most as many as there are
     * @param seed of the order of the images
     */
    public Batches(Dataset data, int batchSize, long seed) {
        if (batchSize < 1 || batchSize > data.size()) {
            throw new IllegalArgumentException("batch size: " + batchSize + " given, must be at least 1 and at most "
                    + data.size() + ", the number of images");
        }
        this.data = data;
        this.order = new BatchOrder(data.size(), batchSize, seed);
        this.batch = new Trainee.Batch(
                new int[batchSize], new float[Math.multiplyExact(batchSize, data.width())], new int[batchSize]);
    }

    /** The next batch, in the arrays of the one before. */
    public Trainee.Batch next() {
        order.next(batch.images());
        data.copyRows(batch.images(), batch.x(), batch.labels());
        return batch;
    }
}
