package org.batchnorm.bench.experiments.train;

import org.batchnorm.bench.experiments.data.Dataset;

/** One network in training: it takes steps, is evaluated, and keeps its curve. */
public interface Trainee extends AutoCloseable {

    /** What tells it from the others, in tables and files. */
    String name();

    /** What was seen of it so far. */
    Curve curve();

    /** Whether the network has batch norm. */
    boolean hasBatchNorm();

    /** What runs its batch norm, or all of it; empty for a network in host memory without batch norm. */
    String place();

    /** One step of training. */
    void step(Batch batch);

    /** Looks at all test images, in inference mode. */
    void evaluate(Dataset test);

    @Override
    void close();

    /**
     * The images of a step.
     *
     * @param images the index of each in the data to train on
     * @param x their pixels, (n, inputs)
     * @param labels (n)
     */
    @SuppressWarnings("ArrayRecordComponent") // Live arrays, filled anew for each step.
    record Batch(int[] images, float[] x, int[] labels) {}
}
