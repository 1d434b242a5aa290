package org.batchnorm.bench.workload;

/**
 * Runs an operation until it is as fast as it gets. JMH's warm-up lasts a fixed time, but the compiler needs longer for
 * code of the Vector API (which, until it is compiled whole, allocates an object for every vector and is a thousand
 * times slower), and longer still on a busy machine.
 */
public final class WarmUp {
    private static final long AT_MOST = 10_000_000_000L;

    /** Windows in a row that bring nothing. */
    private static final int SETTLED = 4;

    private static final double IMPROVEMENT = 0.97;

    private WarmUp() {}

    /**
     * Returns when four windows in a row were not faster than the best before them by more than 3 %, or after 10 s.
     *
     * @param windowMillis how long one window lasts: longer for code that is still to be compiled
     */
    public static void untilSteady(Runnable operation, int windowMillis) {
        long start = System.nanoTime();
        double best = Double.POSITIVE_INFINITY;
        int settled = 0;
        while (settled < SETTLED && System.nanoTime() - start < AT_MOST) {
            double perCall = window(operation, windowMillis * 1_000_000L);
            settled = perCall > IMPROVEMENT * best ? settled + 1 : 0;
            best = Math.min(best, perCall);
        }
    }

    private static double window(Runnable operation, long nanos) {
        long start = System.nanoTime();
        long calls = 0;
        long elapsed;
        do {
            operation.run();
            calls++;
            elapsed = System.nanoTime() - start;
        } while (elapsed < nanos);
        return (double) elapsed / calls;
    }
}
