package org.batchnorm.bench.experiments.train;

import java.util.Random;

/**
 * The order in which images come: all of them shuffled anew in each epoch, cut into batches of one size. What is left
 * over at the end of an epoch is skipped.
 */
final class BatchOrder {
    private final int[] images;
    private final int batchSize;
    private final Random random;
    private int next;

    BatchOrder(int size, int batchSize, long seed) {
        this.images = new int[size];
        for (int i = 0; i < size; i++) {
            images[i] = i;
        }
        this.batchSize = batchSize;
        this.random = new Random(seed);
        this.next = size;
    }

    /** Writes the images of the next batch. */
    void next(int[] batch) {
        if (next + batchSize > images.length) {
            shuffle();
            next = 0;
        }
        System.arraycopy(images, next, batch, 0, batchSize);
        next += batchSize;
    }

    private void shuffle() {
        for (int i = images.length - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int swapped = images[i];
            images[i] = images[j];
            images[j] = swapped;
        }
    }
}
