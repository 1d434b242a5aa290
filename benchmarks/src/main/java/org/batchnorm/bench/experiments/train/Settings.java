package org.batchnorm.bench.experiments.train;

import org.batchnorm.bench.experiments.data.TrainTest;

/**
 * How to train.
 *
 * @param batchSize images a step, ≥ 2: batch norm needs more than one value per feature
 * @param steps how many steps, ≥ 1
 * @param evaluateEvery steps between two evaluations on the test images, ≥ 1
 * @param learningRate the optimizer's, finite, &gt; 0
 * @param seed of the initial weights and of the order of the images
 */
public record Settings(int batchSize, int steps, int evaluateEvery, double learningRate, long seed) {

    /**
     * How often the test images are looked at in one pass over the training images, where every step would be too
     * often.
     */
    private static final int EVALUATIONS_PER_EPOCH = 20;

    /**
     * Checks the values.
     *
     * @throws IllegalArgumentException if one is out of range
     */
    public Settings {
        if (batchSize < 2) {
            throw new IllegalArgumentException("batch size: " + batchSize
                    + " given, must be at least 2, as batch norm needs more than one value per feature");
        }
        if (steps < 1) {
            throw new IllegalArgumentException("steps: " + steps + " given, must be at least 1");
        }
        if (evaluateEvery < 1) {
            throw new IllegalArgumentException(
                    "steps between evaluations: " + evaluateEvery + " given, must be at least 1");
        }
        if (!(learningRate > 0) || Double.isInfinite(learningRate)) {
            throw new IllegalArgumentException(
                    "learning rate: " + learningRate + " given, must be a finite number greater than 0");
        }
    }

    /**
     * The steps of one epoch: a last, smaller batch is left out, and its images come in another epoch's batches.
     *
     * @throws IllegalArgumentException if there are fewer images than a batch has
     */
    public static int stepsPerEpoch(TrainTest data, int batchSize) {
        if (batchSize < 2 || batchSize > data.train().size()) {
            throw new IllegalArgumentException("batch size: " + batchSize + " given, must be at least 2 and at most "
                    + data.train().size() + ", the number of training images");
        }
        return data.train().size() / batchSize;
    }

    /** Twenty evaluations an epoch, and never more than one a step. */
    public static int evaluateEvery(TrainTest data, int batchSize) {
        return Math.max(1, stepsPerEpoch(data, batchSize) / EVALUATIONS_PER_EPOCH);
    }
}
