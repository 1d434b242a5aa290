package org.batchnorm.bench.experiments.papers;

import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What PyTorch 2.13 reaches on MNIST with the protocol of {@link Convergence}: test accuracy in % after a number of
 * steps, over 4 seeds.
 *
 * @param with batch norm
 * @param without batch norm
 */
record PyTorchReference(Range with, Range without) {

    /** By the number of steps. */
    static final SortedMap<Integer, PyTorchReference> BY_STEP = new TreeMap<>();

    /** At 500 steps, without batch norm, four seeds do not tell the mean: these are 16 of PyTorch. */
    static final Range LEAVING_THE_PLATEAU = new Range(18.30, 9.58, 31.17);

    static {
        add(100, new Range(81.15, 79.2, 82.8), new Range(10.16, 8.9, 11.4));
        add(500, new Range(90.17, 90.0, 90.4), new Range(12.98, 9.6, 16.3));
        add(1_000, new Range(91.52, 91.3, 91.7), new Range(49.95, 47.0, 54.0));
        add(5_000, new Range(95.36, 95.2, 95.5), new Range(91.20, 90.8, 91.8));
        add(10_000, new Range(96.50, 96.2, 96.8), new Range(94.90, 94.8, 95.1));
        add(25_000, new Range(97.59, 97.4, 97.7), new Range(97.01, 96.9, 97.2));
        add(50_000, new Range(97.97, 97.9, 98.0), new Range(97.29, 97.0, 97.5));
    }

    private static void add(int step, Range with, Range without) {
        BY_STEP.put(step, new PyTorchReference(with, without));
    }

    /** Mean, smallest and largest of the seeds. */
    record Range(double mean, double min, double max) {
        private static final double TOLERANCE = 0.4;

        /** Whether a mean lies within the range of the seeds, 0.4 points allowed. */
        boolean holds(double accuracy) {
            return accuracy >= min - TOLERANCE && accuracy <= max + TOLERANCE;
        }

        @Override
        public String toString() {
            return Page.format("%.2f (%.1f–%.1f)", mean, min, max);
        }
    }
}
