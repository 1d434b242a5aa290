package org.batchnorm.spi;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** The exchange of threads of one process, each of which has a part of a batch: on a device of its own, say. */
public final class InProcessExchange implements StatisticsExchange {
    private final Group group;
    private final int rank;
    private final AtomicBoolean inUse = new AtomicBoolean();

    private InProcessExchange(Group group, int rank) {
        this.group = group;
        this.rank = rank;
    }

    /** What the ranks share. */
    private static final class Group {
        final CyclicBarrier barrier;
        final double[] @Nullable [] values;
        final Duration deadline;

        Group(int size, Duration deadline) {
            this.barrier = new CyclicBarrier(size);
            this.values = new double[size][];
            this.deadline = deadline;
        }
    }

    /**
     * The exchanges of a group, one for each of its threads, in the order of their ranks.
     *
     * @param size how many, ≥ 1
     * @param deadline how long a rank waits for the others before it gives up, &gt; 0
     * @throws IllegalArgumentException if a value is out of range
     */
    public static List<StatisticsExchange> group(int size, Duration deadline) {
        if (size < 1) {
            throw new IllegalArgumentException("size: " + size + " given, must be at least 1");
        }
        if (deadline == null || !deadline.isPositive() || deadline.compareTo(Duration.ofDays(365)) > 0) {
            throw new IllegalArgumentException(
                    "deadline: " + deadline + " given, must be positive and at most 365 days");
        }
        Group group = new Group(size, deadline);
        return IntStream.range(0, size)
                .<StatisticsExchange>mapToObj(rank -> new InProcessExchange(group, rank))
                .toList();
    }

    @Override
    public int rank() {
        return rank;
    }

    @Override
    public int size() {
        return group.values.length;
    }

    @Override
    public void allGather(double[] mine, double[] all) {
        if (all.length != mine.length * size()) {
            throw new IllegalArgumentException("all: double[" + all.length + "] given, must have " + size()
                    + " times the " + mine.length + " values of mine");
        }
        if (!inUse.compareAndSet(false, true)) {
            throw new IllegalStateException("exchange: rank " + rank
                    + " is in use by another thread; an exchange serves one at a time, give each thread its own");
        }
        try {
            gather(mine, all);
        } finally {
            inUse.set(false);
        }
    }

    private void gather(double[] mine, double[] all) {
        group.values[rank] = mine;
        awaitAll();
        boolean fit = true;
        for (int r = 0; r < size(); r++) {
            double[] ofRank = group.values[r];
            if (ofRank != null && ofRank.length == mine.length) {
                System.arraycopy(ofRank, 0, all, r * mine.length, mine.length);
            } else {
                fit = false;
            }
        }
        awaitAll();
        if (!fit) {
            throw new IllegalArgumentException(
                    "mine: double[" + mine.length
                            + "] given, must have as many values on every rank; all ranks must run the same layers in the same order");
        }
    }

    private void awaitAll() {
        try {
            group.barrier.await(group.deadline.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw failed("was interrupted", e);
        } catch (TimeoutException e) {
            throw failed("waited for another rank for " + group.deadline, e);
        } catch (BrokenBarrierException e) {
            throw failed("was left by another rank", e);
        }
    }

    private IllegalStateException failed(String how, Exception cause) {
        return new IllegalStateException(
                "exchange: rank " + rank + " of " + size() + " " + how
                        + "; every rank must run the same operations, and none may fail alone",
                cause);
    }
}
