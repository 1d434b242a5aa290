package org.batchnorm.tornadovm;

import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * N of the next execution, for graphs whose batches vary: a smaller last batch, requests of any size. The layers of a
 * graph may share one, and so may the caller's own tasks ({@link #array()}). Changing it compiles nothing and leaves
 * the grids alone: work-groups without rows end at once, and rows beyond N of an output stay as they were.
 *
 * <p>It travels to the device (24 bytes) at every execution of each graph that uses it. There each kernel of the layers
 * that use it counts itself: TornadoVM does not pass on what a driver says of a kernel that it refuses or of a device
 * that is gone, but the count of {@link #array()}, transferred back, shows it.
 */
public final class SampleCount {
    private final int max;
    private final IntArray array = new IntArray(2);
    private int min;
    private String minReason = "at least 0";

    private SampleCount(int max) {
        this.max = max;
        array.set(0, max);
        array.set(1, 0);
    }

    /**
     * A count that is {@code max} until it is set.
     *
     * @param max the most samples a batch will have, ≥ 1
     * @throws IllegalArgumentException if {@code max} is less than 1
     */
    public static SampleCount atMost(int max) {
        if (max < 1) {
            throw new IllegalArgumentException("max: " + max + " samples given, must be at least 1");
        }
        return new SampleCount(max);
    }

    /**
     * Sets N for the executions to come.
     *
     * @throws IllegalArgumentException if it is more than the most, or too small for a task that uses it: training
     *     needs more than one value per feature
     */
    public void set(int samples) {
        if (samples < min || samples > max) {
            throw new IllegalArgumentException(
                    "samples: " + samples + " given, must be " + minReason + " and at most " + max);
        }
        array.set(0, samples);
    }

    /** N of the next execution. */
    public int get() {
        return array.get(0);
    }

    /** The most samples a batch may have. */
    public int max() {
        return max;
    }

    /**
     * N as tasks read it, and how many kernels have run since the second value was last set on the host; (2), the live
     * array.
     */
    public IntArray array() {
        return array;
    }

    void requireAtLeast(int samples, String reason) {
        if (samples > min) {
            min = samples;
            minReason = reason;
        }
    }
}
