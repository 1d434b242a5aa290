package org.batchnorm.cpu.pass;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The threads of the CPU backends, shared by all layers. The one idea: a worker that has just worked looks for more for
 * some tens of microseconds before it parks, because waking a parked thread costs as much as normalizing 64K values; an
 * idle pool costs nothing.
 *
 * <p>The pool serves one caller at a time; a second one does its work alone, which is as fast when all cores are busy.
 * Each participant begins with its own stretch of the blocks, the same one in every pass, so that it finds in its cache
 * what it left there; then it takes what others have not begun.
 */
public final class WorkerPool {

    /** Work that is cut into blocks. */
    public interface Task {
        /**
         * What a participant does once, before its first block; the caller even if others have left it none.
         *
         * @param participant as in {@link #run(int, int)}
         */
        default void prepare(int participant) {}

        /**
         * Does one block.
         *
         * @param block which one
         * @param participant the thread that does it, ≥ 0 and less than the number of threads asked for; the caller is
         *     0
         */
        void run(int block, int participant);
    }

    /** The pool of this process. */
    static final WorkerPool SHARED = new WorkerPool();

    /** A thread that is none of the callers': what it may not touch, no worker may. */
    public static final Thread STRANGER = new Thread("batchnorm-stranger");

    private static final long SPIN_NANOS = 40_000;
    private static final int PADDING = 32;

    private final AtomicBoolean taken = new AtomicBoolean();
    private Worker[] workers = {};

    private @Nullable Task task;
    private int participants;
    private int blocks;
    private boolean backwards;
    private AtomicIntegerArray next = new AtomicIntegerArray(PADDING);
    private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
    private volatile @Nullable Thread waitingCaller;

    WorkerPool() {}

    /**
     * Does the blocks 0 to {@code count} of a task on up to {@code threads} threads, the caller's among them, and
     * returns when all are done.
     *
     * @param backwards whether each stretch of the blocks is done from its last one on
     * @throws RuntimeException or an {@link Error}, what a block has thrown, on whichever thread; some blocks may then
     *     not have been done
     */
    void run(Task work, int count, int threads, boolean backwards) {
        int wanted = Math.min(threads, count);
        if (wanted <= 1 || !taken.compareAndSet(false, true)) {
            work.prepare(0);
            for (int block = 0; block < count; block++) {
                work.run(backwards ? count - 1 - block : block, 0);
            }
            return;
        }
        try {
            runTogether(work, count, wanted, backwards);
        } finally {
            taken.set(false);
        }
    }

    private void runTogether(Task work, int count, int wanted, boolean inReverse) {
        hire(wanted - 1);
        task = work;
        blocks = count;
        backwards = inReverse;
        participants = wanted;
        for (int p = 0; p < wanted; p++) {
            next.set(p * PADDING, firstBlock(p));
        }
        for (int p = 1; p < wanted; p++) {
            workers[p - 1].offer();
        }
        try {
            work(0);
        } finally {
            for (int p = 1; p < wanted; p++) {
                workers[p - 1].awaitDone();
            }
            task = null;
        }
        Throwable thrown = failure.getAndSet(null);
        if (thrown instanceof RuntimeException exception) {
            throw exception;
        }
        if (thrown instanceof Error error) {
            throw error;
        }
    }

    private void hire(int count) {
        if (workers.length >= count) {
            return;
        }
        Worker[] more = java.util.Arrays.copyOf(workers, count);
        for (int i = workers.length; i < count; i++) {
            more[i] = new Worker(i + 1);
            more[i].start();
        }
        workers = more;
        next = new AtomicIntegerArray((count + 1) * PADDING);
    }

    private int firstBlock(int participant) {
        return (int) ((long) blocks * participant / participants);
    }

    /** Does blocks until none is left: first its own stretch, then the others'. */
    private void work(int participant) {
        Task work = java.util.Objects.requireNonNull(task);
        boolean prepared = participant == 0 && prepare(work, participant);
        for (int i = 0; i < participants; i++) {
            int stretch = (participant + i) % participants;
            int first = firstBlock(stretch);
            int end = firstBlock(stretch + 1);
            while (failure.get() == null) {
                int block = next.getAndIncrement(stretch * PADDING);
                if (block >= end) {
                    break;
                }
                prepared = prepared || prepare(work, participant);
                if (prepared) {
                    run(work, backwards ? first + (end - 1 - block) : block, participant);
                }
            }
        }
    }

    private boolean prepare(Task work, int participant) {
        try {
            work.prepare(participant);
            return true;
        } catch (RuntimeException | Error thrown) {
            failure.compareAndSet(null, thrown);
            return false;
        }
    }

    private void run(Task work, int block, int participant) {
        try {
            work.run(block, participant);
        } catch (RuntimeException | Error thrown) {
            failure.compareAndSet(null, thrown);
        }
    }

    /** Whether all workers of the pool are parked. */
    boolean isParked() {
        for (Worker worker : workers) {
            if (!worker.parked) {
                return false;
            }
        }
        return true;
    }

    private final class Worker extends Thread {
        private static final int IDLE = 0;
        private static final int OFFERED = 1;
        private static final int WORKING = 2;

        private final int participant;
        private final AtomicInteger phase = new AtomicInteger(IDLE);
        private volatile boolean parked;

        Worker(int participant) {
            super(null, null, "batchnorm-" + participant, 0, false);
            this.participant = participant;
            setDaemon(true);
            setContextClassLoader(null);
        }

        /** Called by the caller: there is work. */
        void offer() {
            phase.set(OFFERED);
            if (parked) {
                LockSupport.unpark(this);
            }
        }

        /**
         * Called by the caller, who has found nothing more to do: takes the offer back, or waits until the worker is
         * done.
         */
        void awaitDone() {
            if (phase.compareAndSet(OFFERED, IDLE)) {
                return;
            }
            long start = System.nanoTime();
            while (phase.get() != IDLE) {
                if (System.nanoTime() - start < SPIN_NANOS) {
                    Thread.onSpinWait();
                    continue;
                }
                waitingCaller = Thread.currentThread();
                if (phase.get() != IDLE) {
                    LockSupport.park(WorkerPool.this);
                }
            }
            waitingCaller = null;
        }

        @Override
        public void run() {
            while (true) {
                awaitOffer();
                if (phase.compareAndSet(OFFERED, WORKING)) {
                    work(participant);
                    phase.set(IDLE);
                    Thread caller = waitingCaller;
                    if (caller != null) {
                        LockSupport.unpark(caller);
                    }
                }
            }
        }

        private void awaitOffer() {
            long start = System.nanoTime();
            while (phase.get() != OFFERED) {
                if (System.nanoTime() - start < SPIN_NANOS) {
                    Thread.onSpinWait();
                    continue;
                }
                parked = true;
                if (phase.get() != OFFERED) {
                    LockSupport.park(WorkerPool.this);
                }
                parked = false;
            }
        }
    }
}
