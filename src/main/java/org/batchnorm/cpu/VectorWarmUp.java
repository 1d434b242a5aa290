package org.batchnorm.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.UnaryOperator;

/**
 * A thread that calls vector kernels on small data of its own until they are compiled, hands each to the {@link VectorKernelSource} as it becomes fast, and ends. Where one does not become fast
 * (without a compiler, or with one that does not know the Vector API), it gives up after half a minute, in which it mostly sleeps.
 *
 * <p>The calls are those that operations make, so that the compiler's profiles show what it will meet: rows of many vectors, with and without a rest, one row and several, memory of one thread and of
 * all. What a profile has never shown is left out of the compiled code, which is thrown away when it happens.
 *
 * <p>The compiler takes up a method after 5000 calls, or after 15,000 calls and rounds of its loops. As a round costs microseconds until then, most calls for rows are for no columns at all; the loops of
 * those kernels have a test in front which keeps these calls out of the loops' profile, since the compiler unrolls by the number of rounds that it finds there. They must not
 * outnumber the rounds by far either, as the compiler does not inline into loops that it takes for rare, and there each vector would become an object.
 */
final class VectorWarmUp extends Thread {
    private static final long LONGEST_NANOS = 30_000_000_000L;
    private static final long LEAST_PAUSE_NANOS = 2_000_000;
    private static final int PAUSES = 64;

    /** Compiled, a value takes less than a nanosecond; before, 40 and more. */
    private static final long FAST_NANOS_PER_VALUE = 4;

    /** After so many rounds the compiler has been told of a kernel, and needs time rather than more calls. */
    private static final int ROUNDS = 12;

    private static final int EMPTY_CALLS = 50;
    private static final int WIDTH = 256;
    private static final int REST = 3;
    private static final int ROWS = 4;
    private static final int RUNS = 32;

    /** Numbers and widths of rows that {@link Blocks#rowsOfStream} treats in different ways. */
    private static final int[] MANY_ROWS = {64, 66, 64};

    private static final int[] WIDTHS = {WIDTH, WIDTH, 4 * WIDTH};
    private static final int VALUES = 4 * ROWS * WIDTH;

    private final VectorKernelSource source;
    private final boolean onArrays;
    private final boolean byRows;
    private final boolean backward;
    private final long begin = System.nanoTime();

    /**
     * For the kernels of one use.
     *
     * @param source who gets them
     * @param onArrays whether for arrays, else for segments
     * @param byRows whether for rows, else for runs
     * @param backward whether for the backward operation, else for the others
     */
    VectorWarmUp(VectorKernelSource source, boolean onArrays, boolean byRows, boolean backward) {
        super(null, null, "batchnorm-warm-up", 0, false);
        this.source = source;
        this.onArrays = onArrays;
        this.byRows = byRows;
        this.backward = backward;
        setDaemon(true);
        setContextClassLoader(null);
    }

    @Override
    public void run() {
        if (onArrays) {
            warmUp(exercises(VectorKernels.onArrays()), new Data(), new Data());
            return;
        }
        try (Arena ofThisThread = Arena.ofConfined()) {
            warmUp(exercises(VectorKernels.onSegments()), new Data(ofThisThread), new Data(Arena.ofAuto()));
        }
    }

    /** One kernel after the other; the next begins while the compiler is still at work on the one before. */
    private void warmUp(List<Exercise> exercises, Data even, Data odd) {
        Deque<Exercise> next = new ArrayDeque<>(exercises);
        List<Exercise> slow = new ArrayList<>();
        while (age() < LONGEST_NANOS && !(next.isEmpty() && slow.isEmpty())) {
            if (next.isEmpty()) {
                LockSupport.parkNanos(Math.max(LEAST_PAUSE_NANOS, age() / PAUSES));
            } else {
                Exercise exercise = next.removeFirst();
                slow.add(exercise);
                for (int i = 1; i < ROUNDS && age() < LONGEST_NANOS; i++) {
                    exercise.takesNanos(even, odd);
                }
            }
            slow.removeIf(exercise -> isFast(exercise, even, odd));
        }
    }

    private long age() {
        return System.nanoTime() - begin;
    }

    private boolean isFast(Exercise exercise, Data even, Data odd) {
        boolean fast = exercise.takesNanos(even, odd) < exercise.values * FAST_NANOS_PER_VALUE;
        if (fast) {
            source.change(byRows, exercise.change);
        }
        return fast;
    }

    private List<Exercise> exercises(Kernels vector) {
        if (byRows) {
            return backward ? backwardByRows(vector) : forwardByRows(vector);
        }
        return backward ? backwardByRuns(vector) : forwardByRuns(vector);
    }

    private static List<Exercise> forwardByRows(Kernels vector) {
        CollectStatistics collect = vector.collectStatistics();
        Transform transform = vector.transform();
        return List.of(
                new Exercise(kernels -> kernels.with(collect), 6 * ROWS * WIDTH, EMPTY_CALLS, (d, columns) -> {
                    for (int r = 0; r < ROWS; r++) {
                        collect.sampleRows(d.x, 0, ROWS, WIDTH, columns / ROWS, d.shift);
                    }
                    collect.rows(d.x, 0, 4, ROWS * WIDTH, ROWS, WIDTH, 0, columns, d.shift, d.sum, d.product);
                    collect.rows(d.x, 0, 1, 0, ROWS, WIDTH, 0, columns, d.shift, d.sum, d.product);
                }),
                new Exercise(kernels -> kernels.with(transform), 3 * ROWS * WIDTH, EMPTY_CALLS, (d, columns) -> {
                    transform.rows(d.x, 0, d.y, 0, 2 * ROWS, WIDTH, 0, columns, d.coefficients);
                    for (int r = 0; columns > 0 && r < MANY_ROWS.length; r++) {
                        transform.rows(d.x, 0, d.y, 0, MANY_ROWS[r], WIDTHS[r], 0, 0, d.coefficients);
                    }
                    for (int r = 0; r < ROWS; r++) {
                        transform.rows(d.x, 0, d.y, 0, 1, WIDTH, 0, columns, d.coefficients);
                    }
                }));
    }

    private static List<Exercise> backwardByRows(Kernels vector) {
        ReduceGradients reduce = vector.reduceGradients();
        InputGradient gradient = vector.inputGradient();
        return List.of(
                new Exercise(kernels -> kernels.with(reduce), 3 * ROWS * WIDTH, EMPTY_CALLS, (d, columns) -> {
                    int apart = ROWS * WIDTH;
                    reduce.rows(d.x, 0, d.dy, 0, 2, apart, ROWS, WIDTH, 0, columns, d.shift, d.sum, d.product);
                    reduce.rows(d.x, 0, d.dy, 0, 1, 0, ROWS, WIDTH, 0, columns, d.shift, d.sum, d.product);
                }),
                new Exercise(kernels -> kernels.with(gradient), 3 * ROWS * WIDTH, EMPTY_CALLS, (d, columns) -> {
                    gradient.rows(d.x, 0, d.dy, 0, d.y, 0, 2 * ROWS, WIDTH, 0, columns, d.coefficients);
                    for (int r = 0; columns > 0 && r < MANY_ROWS.length; r++) {
                        gradient.rows(d.x, 0, d.dy, 0, d.y, 0, MANY_ROWS[r], WIDTHS[r], 0, 0, d.coefficients);
                    }
                    for (int r = 0; r < ROWS; r++) {
                        gradient.rows(d.x, 0, d.dy, 0, d.y, 0, 1, WIDTH, 0, columns, d.coefficients);
                    }
                }));
    }

    private static List<Exercise> forwardByRuns(Kernels vector) {
        CollectStatistics collect = vector.collectStatistics();
        Transform transform = vector.transform();
        return List.of(
                new Exercise(kernels -> kernels.with(collect), 5 * RUNS * WIDTH, 0, (d, length) -> {
                    collect.runs(d.x, 0, 4, WIDTH, 0, RUNS, 0, length, d.shift, d.totals, d.totalProducts);
                    collect.runs(d.x, 0, 1, WIDTH, 0, RUNS, 0, length, d.shift, d.totals, d.totalProducts);
                }),
                new Exercise(kernels -> kernels.with(transform), RUNS * (WIDTH + VALUES), 0, (d, length) -> {
                    transform.runs(d.x, 0, d.y, 0, 0, RUNS, 0, length, d.coefficients);
                    transform.runs(d.x, 0, d.y, 0, 0, RUNS, 0, VALUES - WIDTH + length, d.coefficients);
                    transform.runs(d.x, 0, d.y, 0, 0, 1, 0, REST, d.coefficients);
                }));
    }

    private static List<Exercise> backwardByRuns(Kernels vector) {
        ReduceGradients reduce = vector.reduceGradients();
        InputGradient gradient = vector.inputGradient();
        return List.of(
                new Exercise(kernels -> kernels.with(reduce), 3 * RUNS * WIDTH, 0, (d, length) -> {
                    reduce.runs(d.x, 0, d.dy, 0, 3, WIDTH, 0, RUNS, 0, length, d.shift, d.totals, d.totalProducts);
                }),
                new Exercise(kernels -> kernels.with(gradient), RUNS * WIDTH, 0, (d, length) -> {
                    gradient.runs(d.x, 0, d.dy, 0, d.y, 0, 0, RUNS, 0, length, d.coefficients);
                    gradient.runs(d.x, 0, d.dy, 0, d.y, 0, 0, 1, 0, REST, d.coefficients);
                }));
    }

    /**
     * Calls of one kernel.
     *
     * @param change what makes this kernel one of those that are used
     * @param values the values that it meets in one call
     * @param emptyCalls calls for no columns, for each that is not
     */
    private record Exercise(UnaryOperator<Kernels> change, int values, int emptyCalls, Work work) {
        /** The time of one call. */
        long takesNanos(Data even, Data odd) {
            long start = System.nanoTime();
            work.on(even, WIDTH);
            work.on(odd, WIDTH - REST);
            long time = System.nanoTime() - start;
            for (int i = 0; i < emptyCalls; i++) {
                work.on(even, 0);
                work.on(odd, 0);
            }
            return time / 2;
        }
    }

    private interface Work {
        void on(Data data, int columns);
    }

    /** What the kernels are called on. */
    private static final class Data {
        final Object x;
        final Object dy;
        final Object y;
        final float[] shift = new float[WIDTH];
        final float[] sum = new float[WIDTH];
        final float[] product = new float[WIDTH];
        final double[] totals = new double[RUNS];
        final double[] totalProducts = new double[RUNS];
        final Coefficients coefficients = new Coefficients();

        /** Arrays. */
        Data() {
            x = new float[VALUES];
            dy = new float[VALUES];
            y = new float[VALUES];
            coefficients.reserve(WIDTH);
        }

        /** Native memory. */
        Data(Arena arena) {
            x = allocate(arena);
            dy = allocate(arena);
            y = allocate(arena);
            coefficients.reserve(WIDTH);
        }

        private static MemorySegment allocate(Arena arena) {
            return arena.allocate((long) VALUES * Float.BYTES, Float.BYTES);
        }
    }
}
