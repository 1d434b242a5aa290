package org.batchnorm.bench.experiments.train;

/**
 * Which part of a batch or of a data set a rank has: rows that follow each other, on every rank as many or one more.
 *
 * @param rank which one, 0 to {@code size − 1}
 * @param size how many ranks there are, ≥ 1
 */
record Part(int rank, int size) {

    /** The first of n rows that this rank has. */
    int start(int n) {
        return (int) ((long) n * rank / size);
    }

    /** After the last of n rows that this rank has. */
    int end(int n) {
        return (int) ((long) n * (rank + 1) / size);
    }
}
