package org.batchnorm.bench.experiments.accumulated;

import java.util.List;

/**
 * A large batch, cut into parts that fit into memory one at a time.
 *
 * @param x of each part, (rows, inputs)
 * @param labels of each part, (rows)
 */
record MicroBatches(List<float[]> x, List<int[]> labels) {

    /** How many parts there are. */
    int parts() {
        return x.size();
    }

    /** The rows of all parts. */
    int rows() {
        return labels.stream().mapToInt(part -> part.length).sum();
    }
}
