package org.batchnorm.bench.workload;

import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;

/**
 * Runs an operation until it is as fast as it gets. JMH's warm-up lasts a fixed time, but the compiler needs longer for
 * code of the Vector API (which, until it is compiled whole, allocates an object for every vector and is a thousand
 * times slower), and longer still on a busy machine. There the speed alone says little: it stays the same for as long
 * as one compilation takes. So the compiler is asked as well.
 */
public final class WarmUp {
    /** Reached by what gets faster, or is compiled again, without end. */
    private static final long AT_MOST = 30_000_000_000L;

    /** Windows in a row that bring nothing. */
    private static final int SETTLED = 4;

    private static final double IMPROVEMENT = 0.97;

    private final LongSupplier nanoTime;
    private final BooleanSupplier compilerWorks;

    /**
     * With a clock and a compiler.
     *
     * @param nanoTime the time, in nanoseconds
     * @param compilerWorks whether the compiler has worked since it was asked last, or has something left to do
     */
    WarmUp(LongSupplier nanoTime, BooleanSupplier compilerWorks) {
        this.nanoTime = nanoTime;
        this.compilerWorks = compilerWorks;
    }

    /**
     * Returns when in four windows in a row the compiler had nothing to do and the operation was not faster than in the
     * best before them by more than 3 %, or after 30 s.
     *
     * @param windowMillis how long one window lasts: longer for code that is still to be compiled
     * @return nanoseconds a call, of the best window
     */
    public static double untilSteady(Runnable operation, int windowMillis) {
        return new WarmUp(System::nanoTime, new JitCompiler()::works).run(operation, windowMillis);
    }

    double run(Runnable operation, int windowMillis) {
        long start = nanoTime.getAsLong();
        double best = Double.POSITIVE_INFINITY;
        int settled = 0;
        while (settled < SETTLED && nanoTime.getAsLong() - start < AT_MOST) {
            double perCall = window(operation, windowMillis * 1_000_000L);
            boolean compiling = compilerWorks.getAsBoolean();
            settled = !compiling && perCall > IMPROVEMENT * best ? settled + 1 : 0;
            best = Math.min(best, perCall);
        }
        return best;
    }

    private double window(Runnable operation, long nanos) {
        long start = nanoTime.getAsLong();
        long calls = 0;
        long elapsed;
        do {
            operation.run();
            calls++;
            elapsed = nanoTime.getAsLong() - start;
        } while (elapsed < nanos);
        return (double) elapsed / calls;
    }
}
