package org.batchnorm.mpi;

import java.lang.System.Logger;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.batchnorm.spi.StatisticsExchange;

/**
 * The exchange of processes that {@code mpirun} has started, on one machine or several:
 *
 * <pre>{@code
 * MpiExchange.run(Duration.ofMinutes(2), exchange -> {
 *     BatchNorm layer = BatchNorm.builder(200).synchronizedBy(exchange).build();
 *     …                                            // each rank with its part of every batch
 *     exchange.allReduce(layer.weightGradient());  // and so all parameters of the network
 * });
 * }</pre>
 *
 * <p>Started as {@code mpirun -n 4 java --add-modules jdk.incubator.vector --enable-native-access=ALL-UNNAMED …}. Works
 * with an installed Open MPI or MPICH through Java's foreign functions.
 *
 * <p>A rank that fails must not leave the others waiting: it says why in the log and ends all processes with a code
 * other than 0. So does a rank that waits for another one beyond the deadline, and MPI itself where a process dies.
 */
public final class MpiExchange implements StatisticsExchange {
    private static final Logger LOG = System.getLogger(MpiExchange.class.getName());

    /** What a process ends with whose rank waited in vain. */
    private static final int EXIT_CODE = 75;

    /** How often to ask before others may have the processor. */
    private static final int SPINS = 200;

    private static final long REQUEST_BYTES = 8;

    private static final AtomicBoolean STARTED = new AtomicBoolean();

    private final MpiLibrary library;
    private final Duration deadline;
    private final int rank;
    private final int size;
    private final MemorySegment request = Arena.ofAuto().allocate(REQUEST_BYTES, REQUEST_BYTES);
    private final MemorySegment flag = Arena.ofAuto().allocate(ValueLayout.JAVA_INT);
    private MemorySegment mineBuffer = MemorySegment.NULL;
    private MemorySegment allBuffer = MemorySegment.NULL;
    private boolean closed;

    private MpiExchange(MpiLibrary library, Duration deadline) {
        this.library = library;
        this.deadline = deadline;
        this.rank = library.rank();
        this.size = library.size();
    }

    /**
     * Runs a rank: starts MPI in this process, which it allows once, and ends it when all ranks have done their work.
     *
     * @param deadline how long a rank waits for the others before it ends all of them; positive, at most 365 days
     * @param rank the work of this process; what it throws ends all processes, this one included
     * @throws IllegalStateException if no MPI is installed, or one was started before in this process
     */
    public static void run(Duration deadline, Consumer<MpiExchange> rank) {
        if (deadline == null || !deadline.isPositive() || deadline.compareTo(Duration.ofDays(365)) > 0) {
            throw new IllegalArgumentException(
                    "deadline: " + deadline + " given, must be positive and at most 365 days");
        }
        MpiLibrary library = MpiLibrary.open();
        if (!STARTED.compareAndSet(false, true)) {
            throw new IllegalStateException("mpi: run before in this process, which MPI allows once");
        }
        library.initialize();
        MpiExchange exchange = new MpiExchange(library, deadline);
        try {
            rank.accept(exchange);
        } catch (RuntimeException | Error thrown) {
            LOG.log(
                    Logger.Level.ERROR,
                    "rank " + exchange.rank + " of " + exchange.size + " failed; all ranks end",
                    thrown);
            library.abort(EXIT_CODE);
            throw thrown;
        }
        exchange.finish();
    }

    @Override
    public int rank() {
        return rank;
    }

    @Override
    public int size() {
        return size;
    }

    @Override
    public synchronized void allGather(double[] mine, double[] all) {
        if (all.length != mine.length * size) {
            throw new IllegalArgumentException("all: double[" + all.length + "] given, must have " + size
                    + " times the " + mine.length + " values of mine");
        }
        requireOpen();
        reserve(mine.length);
        MemorySegment.copy(mine, 0, mineBuffer, ValueLayout.JAVA_DOUBLE, 0, mine.length);
        library.allGather(mineBuffer, mine.length, allBuffer, request);
        await();
        MemorySegment.copy(allBuffer, ValueLayout.JAVA_DOUBLE, 0, all, 0, all.length);
    }

    private void reserve(int count) {
        long bytes = (long) count * Double.BYTES;
        if (mineBuffer.byteSize() < bytes) {
            mineBuffer = Arena.ofAuto().allocate(bytes, Double.BYTES);
            allBuffer = Arena.ofAuto().allocate(bytes * size, Double.BYTES);
        }
    }

    @SuppressWarnings(
            "ThreadPriorityCheck") // where there are more ranks than processors, another rank may need this one
    private void await() {
        long start = System.nanoTime();
        for (int asked = 1; !library.isDone(request, flag); asked++) {
            if (asked <= SPINS) {
                Thread.onSpinWait();
                continue;
            }
            Thread.yield();
            if (System.nanoTime() - start > deadline.toNanos()) {
                LOG.log(
                        Logger.Level.ERROR,
                        "exchange: rank {0} of {1} waited for another rank for {2}; all ranks end. Every rank must run the same"
                                + " operations, and none may fail alone",
                        rank,
                        size,
                        deadline);
                library.abort(EXIT_CODE);
                throw new IllegalStateException(
                        "exchange: rank " + rank + " waited in vain, and the processes do not end");
            }
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the exchange is over; MPI cannot be started again in this process");
        }
    }

    /** Waits for all ranks, so that none which is still at work is missed without a word, and ends MPI. */
    private synchronized void finish() {
        library.barrier(request);
        await();
        closed = true;
        library.finish();
    }

    @Override
    public String toString() {
        return "MpiExchange[rank " + rank + " of " + size + "] on " + library.name();
    }
}
