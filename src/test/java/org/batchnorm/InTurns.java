package org.batchnorm;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Times what is to be compared in turns, so that what the machine does beside it meets all of them alike. For the
 * modules that bring another library's layer; the backends have {@code benchmarks/}.
 */
public final class InTurns {
    private static final int ROUNDS = 30;
    private static final long ROUND_NANOS = 100_000_000;
    private static final long WARM_UP_NANOS = 4_000_000_000L;

    private InTurns() {}

    /** Prints the head of the table of {@link #report}. */
    public static void head(String... sides) {
        StringBuilder head = new StringBuilder(String.format(Locale.ROOT, "%-24s", "ms, median of " + ROUNDS));
        for (String side : sides) {
            head.append(String.format(Locale.ROOT, " %10s", side));
        }
        System.out.println(head.append("    ratio (quartiles)"));
    }

    /** Times calls and prints a line: the median of each, and of the first one's times by the second one's. */
    public static void report(String name, Runnable... sides) {
        for (Runnable side : sides) {
            millis(side, WARM_UP_NANOS);
        }
        double[][] times = new double[sides.length][ROUNDS];
        double[] ratios = new double[ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            for (int turn = 0; turn < sides.length; turn++) {
                int side = (turn + round) % sides.length;
                times[side][round] = millis(sides[side], ROUND_NANOS);
            }
            ratios[round] = times[0][round] / times[1][round];
        }
        StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "%-24s", name));
        for (double[] ofSide : times) {
            line.append(String.format(Locale.ROOT, " %10.4f", quantile(ofSide, 0.5)));
        }
        System.out.println(line.append(String.format(
                Locale.ROOT,
                " %8.2f (%.2f to %.2f)",
                quantile(ratios, 0.5),
                quantile(ratios, 0.25),
                quantile(ratios, 0.75))));
    }

    /** Milliseconds a call, over at least some time. */
    public static double millis(Runnable call, long atLeastNanos) {
        long begin = System.nanoTime();
        long elapsed = 0;
        int calls = 0;
        while (elapsed < atLeastNanos) {
            call.run();
            calls++;
            elapsed = System.nanoTime() - begin;
        }
        return elapsed / 1e6 / calls;
    }

    /** A quantile of values, which need not be sorted. */
    public static double quantile(double[] values, double at) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[(int) Math.round(at * (sorted.length - 1))];
    }

    /**
     * Runs a task of a class in a process of its own.
     *
     * @param main the class, on this process's class path
     * @param task its argument
     * @param threads of this library, and of others through OpenMP
     */
    public static void process(Class<?> main, String task, int threads) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(List.of(
                        System.getProperty("java.home") + "/bin/java",
                        "--add-modules=jdk.incubator.vector",
                        "--enable-native-access=ALL-UNNAMED",
                        "--sun-misc-unsafe-memory-access=allow", // javacpp
                        "-Dorg.batchnorm.threads=" + threads,
                        "-cp",
                        System.getProperty("java.class.path"),
                        main.getName(),
                        task))
                .inheritIO();
        builder.environment().put("OMP_NUM_THREADS", Integer.toString(threads));
        int code = builder.start().waitFor();
        if (code != 0) {
            throw new IllegalStateException("the process for " + task + " ended with status " + code);
        }
    }
}
