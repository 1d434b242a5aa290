package org.batchnorm.bench.jmh.device;

import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.batchnorm.bench.jmh.device.DeviceTimer.Facts;
import org.batchnorm.bench.jmh.device.DeviceTimer.Kernels;
import org.batchnorm.bench.jmh.device.DeviceTimer.Timing;
import org.batchnorm.bench.jmh.device.DeviceTimer.Version;
import org.batchnorm.bench.jmh.device.DeviceTimer.Way;
import org.batchnorm.bench.jmh.results.Measurement;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;
import org.batchnorm.bench.workload.ShapeGrid;

/**
 * Measures shapes on a device: of each a copy, and every operation with each version of the kernels that can do it,
 * resident, transferred and, where the backend has that, replayed. What fails is told and left out; the rest goes on.
 * Nothing is begun that may not end in time.
 */
public final class DeviceBench {
    private static final Samples.Plan ON_GPU = new Samples.Plan(200, 20, 9);
    private static final Samples.Plan ON_CPU = new Samples.Plan(50, 5, 5);

    private final DeviceTimer timer;
    private final Facts facts;
    private final DeviceTable table;
    private final Measurement.Run run;
    private final Consumer<List<Measurement>> store;
    private final LongSupplier clock;
    private final long deadline;
    private long longest;
    private int failures;
    private boolean leftOut;

    /**
     * Nothing is measured yet.
     *
     * @param table gets a line for each version of each operation
     * @param run goes into every row
     * @param store gets the rows of each timing as soon as it is taken
     * @param clock nanoseconds, as {@link System#nanoTime}
     * @param deadline by that clock
     */
    public DeviceBench(
            DeviceTimer timer,
            DeviceTable table,
            Measurement.Run run,
            Consumer<List<Measurement>> store,
            LongSupplier clock,
            long deadline) {
        this.timer = timer;
        this.facts = timer.facts();
        this.table = table;
        this.run = run;
        this.store = store;
        this.clock = clock;
        this.deadline = deadline;
    }

    /** Measures a shape; false if the time was up before all of it was. */
    public boolean measure(BenchShape shape) {
        if (timeIsUp()) {
            return false;
        }
        table.shape(shape);
        OptionalDouble copy = measure(Operation.COPY, shape, Kernels.CHOSEN, OptionalDouble.empty())
                .map(timing -> DeviceRows.bandwidth(Operation.COPY, shape, timing))
                .orElse(OptionalDouble.empty());
        for (Operation operation : List.of(Operation.INFERENCE, Operation.FORWARD, Operation.BACKWARD)) {
            if (ShapeGrid.measurable(operation, shape)) {
                Optional<Timing> chosen = measure(operation, shape, Kernels.CHOSEN, copy);
                if (chosen.flatMap(Timing::version).equals(Optional.of(Version.ON_CHIP))) {
                    measure(operation, shape, Kernels.TWO_STAGE, copy);
                }
            }
        }
        return !leftOut;
    }

    /** How many timings failed. */
    public int failures() {
        return failures;
    }

    /** Whether another timing may not end in time, judging by the longest so far; then none is begun any more. */
    private boolean timeIsUp() {
        leftOut = leftOut || clock.getAsLong() + longest >= deadline;
        return leftOut;
    }

    /** One line of the table; the resident timing, if there is one. */
    private Optional<Timing> measure(Operation operation, BenchShape shape, Kernels kernels, OptionalDouble copy) {
        Optional<Timing> resident = time(operation, shape, Way.RESIDENT, kernels, copy);
        if (resident.isEmpty()) {
            return resident;
        }
        Optional<Timing> replayed = facts.replays() && !operation.baseline()
                ? time(operation, shape, Way.REPLAYED, kernels, OptionalDouble.empty())
                : Optional.empty();
        // The way over the bus does not depend on the version.
        Optional<Timing> transferred = kernels == Kernels.CHOSEN && !operation.baseline()
                ? time(operation, shape, Way.TRANSFERRED, kernels, OptionalDouble.empty())
                : Optional.empty();
        table.line(operation, shape, resident.get(), replayed, transferred, copy);
        return resident;
    }

    private Optional<Timing> time(
            Operation operation, BenchShape shape, Way way, Kernels kernels, OptionalDouble copy) {
        if (timeIsUp()) {
            return Optional.empty();
        }
        long start = clock.getAsLong();
        try {
            Timing timing = timer.time(operation, shape, way, kernels, facts.cpu() ? ON_CPU : ON_GPU);
            store.accept(DeviceRows.of(run, facts, operation, shape, way, timing, copy));
            return Optional.of(timing);
        } catch (IllegalStateException e) {
            failures++;
            table.failure(operation, way, String.valueOf(e.getMessage()));
            return Optional.empty();
        } finally {
            longest = Math.max(longest, clock.getAsLong() - start);
        }
    }
}
