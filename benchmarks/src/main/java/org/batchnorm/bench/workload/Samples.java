package org.batchnorm.bench.workload;

import java.util.Arrays;
import java.util.function.LongUnaryOperator;

/**
 * Times of one operation, in nanoseconds per call: each sample is the mean over as many calls as fill the sample's
 * duration. Medians and quartiles of such samples are what the results state.
 */
public final class Samples {
    /** So many samples suffice of an operation that has already taken so long. */
    private static final int ENOUGH = 7;

    private static final long LONG_ENOUGH = 2_000_000_000L;

    private final double[] sorted;

    private Samples(double[] nanoseconds) {
        sorted = nanoseconds.clone();
        Arrays.sort(sorted);
    }

    /**
     * Of samples taken elsewhere.
     *
     * @param nanoseconds per call, one value a sample, at least one
     */
    public static Samples of(double[] nanoseconds) {
        if (nanoseconds.length == 0) {
            throw new IllegalArgumentException("samples: none given, must be at least 1");
        }
        return new Samples(nanoseconds);
    }

    /**
     * Takes samples: runs for the plan's warm-up, sees from its second half how many calls fill a sample, and takes the
     * samples.
     *
     * @param timedCalls makes that many calls and returns the nanoseconds that they took
     */
    public static Samples take(Plan plan, LongUnaryOperator timedCalls) {
        long calls = 1;
        double perCall;
        long start = System.nanoTime();
        while (true) {
            long elapsed = timedCalls.applyAsLong(calls);
            perCall = Math.max(1.0, (double) elapsed / calls);
            if (System.nanoTime() - start >= plan.warmupNanos()) {
                break;
            }
            calls = Math.max(1, (long) (plan.sampleNanos() / (2 * perCall)));
        }
        long callsPerSample = Math.max(1, Math.round(plan.sampleNanos() / perCall));
        double[] nanoseconds = new double[plan.samples()];
        int taken = 0;
        long sampling = System.nanoTime();
        while (taken < nanoseconds.length && !(taken >= ENOUGH && System.nanoTime() - sampling > LONG_ENOUGH)) {
            nanoseconds[taken++] = (double) timedCalls.applyAsLong(callsPerSample) / callsPerSample;
        }
        return new Samples(Arrays.copyOf(nanoseconds, taken));
    }

    /** These and others as one. */
    public Samples and(Samples others) {
        double[] all = Arrays.copyOf(sorted, sorted.length + others.sorted.length);
        System.arraycopy(others.sorted, 0, all, sorted.length, others.sorted.length);
        return new Samples(all);
    }

    /** How many. */
    public int count() {
        return sorted.length;
    }

    /** All, ascending. */
    public double[] nanoseconds() {
        return sorted.clone();
    }

    /** The median, in milliseconds. */
    public double medianMillis() {
        return quantileMillis(0.5);
    }

    /** The quantile, interpolated linearly between samples, in milliseconds. */
    public double quantileMillis(double q) {
        double position = q * (sorted.length - 1);
        int below = (int) position;
        int above = Math.min(below + 1, sorted.length - 1);
        return (sorted[below] + (position - below) * (sorted[above] - sorted[below])) / 1e6;
    }

    /**
     * How samples are taken.
     *
     * @param warmupMillis before the first sample, ≥ 1
     * @param sampleMillis of one sample, ≥ 1; an operation that takes longer is called once a sample
     * @param samples how many, ≥ 1
     */
    public record Plan(int warmupMillis, int sampleMillis, int samples) {

        /** What a stored result is made from. */
        public static final Plan STANDARD = new Plan(300, 30, 9);

        /**
         * Checks the values.
         *
         * @throws IllegalArgumentException if one is not positive
         */
        public Plan {
            if (warmupMillis < 1 || sampleMillis < 1 || samples < 1) {
                throw new IllegalArgumentException("plan: warm-up " + warmupMillis + " ms, " + samples + " samples of "
                        + sampleMillis + " ms given, each must be at least 1");
            }
        }

        private long warmupNanos() {
            return warmupMillis * 1_000_000L;
        }

        private long sampleNanos() {
            return sampleMillis * 1_000_000L;
        }
    }
}
