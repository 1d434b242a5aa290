package org.batchnorm.bench.experiments.train;

import org.batchnorm.bench.experiments.data.Dataset;

/**
 * The batches of a training, one after another: all images shuffled anew in each epoch, a last smaller batch skipped.
 */
public final class Batches {
    private final Dataset data;
    private final BatchOrder order;
    private final int[] whole;
    private final int start;
    private final Trainee.Batch batch;

    /**
     * Batches of a data set.
     *
     * @param batchSize images a batch, at most as many as there are
     * @param seed of the order of the images
     */
    public Batches(Dataset data, int batchSize, long seed) {
        this(data, batchSize, seed, new Part(0, 1));
    }

    /**
     * One rank's part of the batches of a data set, a run of their rows.
     *
     * @param batchSize images of a whole batch, at most as many as there are
     * @param seed of the order of the images, the same on every rank
     */
    Batches(Dataset data, int batchSize, long seed, Part part) {
        if (batchSize < 1 || batchSize > data.size()) {
            throw new IllegalArgumentException("batch size: " + batchSize + " given, must be at least 1 and at most "
                    + data.size() + ", the number of images");
        }
        this.data = data;
        this.order = new BatchOrder(data.size(), batchSize, seed);
        this.whole = new int[batchSize];
        this.start = part.start(batchSize);
        int rows = part.end(batchSize) - start;
        this.batch = new Trainee.Batch(new int[rows], new float[Math.multiplyExact(rows, data.width())], new int[rows]);
    }

    /** The next batch, in the arrays of the one before. */
    public Trainee.Batch next() {
        order.next(whole);
        System.arraycopy(whole, start, batch.images(), 0, batch.images().length);
        data.copyRows(batch.images(), batch.x(), batch.labels());
        return batch;
    }
}
