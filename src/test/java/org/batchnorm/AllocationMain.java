package org.batchnorm;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.batchnorm.LayerCalls.Kind;
import org.batchnorm.LayerCalls.Shape;
import org.batchnorm.LayerCalls.Values;
import org.batchnorm.data.ElementType;

/**
 * Prints the bytes that the operations of a layer allocate, in a JVM of its own: other tests would have taught the
 * compiler other things.
 */
final class AllocationMain {
    static final String ROW = "row,";

    /**
     * System property: {@code both}, activations before and after batch norm; {@code undone}, one after it, and
     * backward takes y; {@code residual}, one after it, behind a residual; else none.
     */
    static final String FUSED = "fused";

    /** Before the number of the library's threads that were found. */
    static final String WORKERS = "workers,";

    /** Two kinds of memory, six operations. */
    static final int ROWS_PER_SHAPE = 2 * 6;

    private static final int CALLS_IN_TURN = 20;

    /** The compiler may replace code that allocates nothing by other code; so one turn of that kind is not enough. */
    private static final int QUIET_TURNS = 3;

    /** A measurement may fall into such a moment. So the least of several counts. */
    private static final int MEASUREMENTS = 3;

    private AllocationMain() {}

    /**
     * Runs all operations on one shape after the other, on each until nothing allocates or its time is over. Then it
     * measures them all.
     *
     * @param arguments the backend, the threads, the most milliseconds that each shape is warmed up, the calls of each
     *     operation that are measured, and the shapes, each as {@code layout:N:C:S}, with {@code :type} where the
     *     values are not float32
     */
    public static void main(String[] arguments) {
        String backend = arguments[0];
        int threads = Integer.parseInt(arguments[1]);
        long warmUpNanos = TimeUnit.MILLISECONDS.toNanos(Long.parseLong(arguments[2]));
        int calls = Integer.parseInt(arguments[3]);
        Meter meter = new Meter();
        List<Workload> all = new ArrayList<>();
        for (String text : Arrays.asList(arguments).subList(4, arguments.length)) {
            String[] parts = text.split(":", -1);
            Shape shape = shape(parts);
            ElementType type = parts.length > 4 ? ElementType.valueOf(parts[4]) : ElementType.FLOAT32;
            List<Workload> ofShape = new ArrayList<>();
            for (Kind kind : Kind.values()) {
                ofShape.add(new Workload(
                        LayerCalls.of(backend, threads, shape, type, System.getProperty(FUSED, "")),
                        shape,
                        kind,
                        type,
                        meter));
            }
            warmUp(ofShape, warmUpNanos);
            all.addAll(ofShape);
        }
        for (Workload work : all) {
            work.measure(calls, warmUpNanos > 0 ? MEASUREMENTS : 1);
        }
        System.out.println(WORKERS + meter.workers);
    }

    private static void warmUp(List<Workload> ofShape, long nanos) {
        long start = System.nanoTime();
        int quietTurns = 0;
        while (quietTurns < QUIET_TURNS && System.nanoTime() - start < nanos) {
            long bytes = 0;
            for (Workload work : ofShape) {
                work.run(CALLS_IN_TURN);
                bytes += work.bytes();
            }
            quietTurns = bytes == 0 ? quietTurns + 1 : 0;
        }
        System.out.println(ofShape.getFirst().name + ": warmed up for "
                + TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start) + " ms");
    }

    private static Shape shape(String[] parts) {
        return new Shape(
                Long.parseLong(parts[1]),
                Integer.parseInt(parts[2]),
                Long.parseLong(parts[3]),
                parts[0].equals("last"));
    }

    /** A layer with data in one kind of memory, and the bytes that its operations have allocated. */
    private static final class Workload {
        private final LayerCalls layer;
        private final Meter meter;
        private final String name;
        private final boolean adding = System.getProperty(FUSED, "").equals("residual");
        private final Values x;
        private final Values dy;
        private final Values out;
        private final Values residual;
        private final Values dx;
        private final Values dresidual;
        private final Count forward = new Count("forward");
        private final Count backward = new Count("backward");
        private final Count inference = new Count("inference");
        private final Count collectStatistics = new Count("collectStatistics");
        private final Count frozenForward = new Count("frozenForward");
        private final Count frozenBackward = new Count("frozenBackward");
        private final List<Count> counts =
                List.of(forward, backward, inference, collectStatistics, frozenForward, frozenBackward);

        Workload(LayerCalls layer, Shape shape, Kind kind, ElementType type, Meter meter) {
            this.layer = layer;
            this.meter = meter;
            name = shape + "," + type + "," + kind.name().toLowerCase(Locale.ROOT);
            SplittableRandom random = new SplittableRandom(1);
            float[] values = new float[shape.elements()];
            for (int i = 0; i < values.length; i++) {
                values[i] = 3 + (float) random.nextDouble();
            }
            x = layer.values(kind, type, values);
            dy = layer.values(kind, type, values);
            out = layer.values(kind, type, values);
            residual = adding ? layer.values(kind, type, values) : x;
            dx = adding ? layer.values(kind, type, values) : out;
            dresidual = adding ? layer.values(kind, type, values) : out;
        }

        /** Runs each operation so often, and counts their bytes from zero. */
        void run(int times) {
            counts.forEach(count -> count.bytes = 0);
            for (int i = 0; i < times; i++) {
                layer.train();
                forward(forward);
                backward(backward);
                layer.infer();
                inference();
                layer.collect();
                forward(collectStatistics);
                layer.freeze();
                forward(frozenForward);
                backward(frozenBackward);
            }
        }

        private void forward(Count count) {
            meter.begin();
            if (adding) {
                layer.forward(x, residual, out);
            } else {
                layer.forward(x, out);
            }
            count.bytes += meter.end();
        }

        private void inference() {
            meter.begin();
            if (adding) {
                layer.forwardAlone(x, residual, out);
            } else {
                layer.forwardAlone(x, out);
            }
            inference.bytes += meter.end();
        }

        private void backward(Count count) {
            meter.begin();
            if (adding) {
                layer.backward(x, out, dy, dx, dresidual);
            } else {
                layer.backward(x, dy, dx);
            }
            count.bytes += meter.end();
        }

        /** The bytes of all operations. */
        long bytes() {
            long sum = 0;
            for (Count count : counts) {
                sum += count.bytes;
            }
            return sum;
        }

        /** Measures until nothing was allocated, or so many times, and prints the least of each operation. */
        void measure(int times, int most) {
            long[] least = new long[counts.size()];
            Arrays.fill(least, Long.MAX_VALUE);
            for (int i = 0; i < most && Arrays.stream(least).anyMatch(bytes -> bytes > 0); i++) {
                run(times);
                Arrays.setAll(least, k -> Math.min(least[k], counts.get(k).bytes));
            }
            for (int k = 0; k < least.length; k++) {
                // Rounded up, so that the least allocation shows.
                long perCall = Math.ceilDiv(least[k], times);
                System.out.println(ROW + name + "," + counts.get(k).operation + "," + perCall);
            }
        }
    }

    /** The bytes of one operation. */
    private static final class Count {
        private final String operation;
        private long bytes;

        Count(String operation) {
            this.operation = operation;
        }
    }

    /**
     * Counts the bytes that the calling thread and the library's threads allocate. It looks for the library's threads
     * before it begins and after it has ended to count on the calling thread, as looking allocates.
     */
    private static final class Meter {
        private static final int MOST_THREADS = 1000;

        private final ThreadMXBean counts = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        private final Thread[] threads = new Thread[MOST_THREADS];
        private final ThreadGroup everybody =
                Thread.currentThread().getThreadGroup().getParent();
        private int workers;
        private long ofWorkersBefore;
        private long ofCallerBefore;

        void begin() {
            ofWorkersBefore = bytesOfWorkers();
            ofCallerBefore = counts.getCurrentThreadAllocatedBytes();
        }

        /** The bytes since {@link #begin}, with those of threads that were started in between. */
        long end() {
            long ofCaller = counts.getCurrentThreadAllocatedBytes() - ofCallerBefore;
            // A worker that has ended in between was idle.
            return ofCaller + Math.max(bytesOfWorkers() - ofWorkersBefore, 0);
        }

        private long bytesOfWorkers() {
            long sum = 0;
            workers = 0;
            int count = everybody.enumerate(threads);
            for (int i = 0; i < count; i++) {
                if (threads[i].getName().startsWith("batchnorm-")) {
                    workers++;
                    sum += counts.getThreadAllocatedBytes(threads[i].threadId());
                }
            }
            return sum;
        }
    }
}
