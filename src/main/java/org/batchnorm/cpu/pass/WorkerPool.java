package org.batchnorm.cpu.pass;

import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The threads of the CPU backends, shared by all layers. The one idea: a worker that has just worked looks for more for
 * some tens of microseconds before it parks, because waking a parked thread costs as much as normalizing 64K values; an
 * idle pool costs nothing, and after some seconds it has no threads either: new ones are hired when there is work.
 *
 * <p>The pool serves one caller at a time; a second one does its work alone, which is as fast when all cores are busy.
 * Each participant begins with its own stretch of the blocks, the same one in every pass, so that it finds in its cache
 * what it left there; then it takes what others have not begun.
 *
 * <p>Workers belong to nobody: they are in the root of the thread groups and have nothing from the thread that happened
 * to need them first. So nobody waits for them or interrupts them with threads of its own, and once they have ended
 * nothing keeps the library's class loader.
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

    private static final long SPIN_NANOS = 40_000;
    private static final long IDLE_NANOS = TimeUnit.SECONDS.toNanos(3);
    private static final int PADDING = 32;

    private static final ThreadGroup ROOT = root();

    /** The pool of this process. */
    public static final WorkerPool SHARED = new WorkerPool(IDLE_NANOS);

    /** A thread that is none of the callers': what it may not touch, no worker may. */
    public static final Thread STRANGER = new Thread(ROOT, null, "batchnorm-stranger", 0, false);

    private final long idleNanos;
    private final AtomicBoolean taken = new AtomicBoolean();

    /** By participants; some have ended, or were never hired, as that of the caller. */
    private @Nullable Worker[] workers = {};

    private @Nullable Task task;
    private int participants;
    private int blocks;
    private boolean backwards;
    private AtomicIntegerArray next = new AtomicIntegerArray(PADDING);
    private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
    private volatile @Nullable Thread waitingCaller;

    /**
     * A pool.
     *
     * @param idleNanos after how long without work a worker ends
     */
    WorkerPool(long idleNanos) {
        this.idleNanos = idleNanos;
    }

    private static ThreadGroup root() {
        ThreadGroup group = Thread.currentThread().getThreadGroup();
        while (group.getParent() != null) {
            group = group.getParent();
        }
        return group;
    }

    /**
     * Does the blocks 0 to {@code count} of a task on up to {@code threads} threads, the caller's among them, and
     * returns when all are done.
     *
     * @param backwards whether each stretch of the blocks is done from its last one on
     * @throws RuntimeException or an {@link Error}, what a block has thrown, on whichever thread; some blocks may then
     *     not have been done
     */
    public void run(Task work, int count, int threads, boolean backwards) {
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
        if (workers.length < wanted) {
            workers = Arrays.copyOf(workers, wanted);
            next = new AtomicIntegerArray(wanted * PADDING);
        }
        task = work;
        blocks = count;
        backwards = inReverse;
        participants = wanted;
        for (int p = 0; p < wanted; p++) {
            next.set(p * PADDING, firstBlock(p));
        }
        for (int p = 1; p < wanted; p++) {
            offer(p);
        }
        try {
            work(0);
        } finally {
            for (int p = 1; p < wanted; p++) {
                Worker worker = workers[p];
                if (worker != null) {
                    worker.awaitDone();
                }
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

    /** Offers work to a participant's worker; one that has ended is replaced. */
    private void offer(int participant) {
        Worker worker = workers[participant];
        if (worker != null && worker.offer()) {
            return;
        }
        Worker hired = new Worker(participant);
        try {
            hired.start();
        } catch (OutOfMemoryError e) {
            // The system has no more threads: those that it has do the blocks of this one, too.
            return;
        }
        workers[participant] = hired;
    }

    private int firstBlock(int participant) {
        return (int) ((long) blocks * participant / participants);
    }

    /** Does blocks until none is left: first its own stretch, then the others'. */
    private void work(int participant) {
        Task work = Objects.requireNonNull(task);
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

    /** Whether all workers that have not ended are parked. */
    boolean isParked() {
        return Arrays.stream(workers).allMatch(worker -> worker == null || worker.parked || !worker.isAlive());
    }

    /** The workers that have not ended. */
    int workers() {
        return (int) Arrays.stream(workers)
                .filter(worker -> worker != null && worker.isAlive())
                .count();
    }

    private final class Worker extends Thread {
        private static final int IDLE = 0;
        private static final int OFFERED = 1;
        private static final int WORKING = 2;
        private static final int ENDED = 3;

        private final int participant;

        /** Where caller and worker both want to leave a phase, one of them succeeds. */
        private final AtomicInteger phase = new AtomicInteger(OFFERED);

        private volatile boolean parked;

        /** One who is offered work from the beginning. */
        @SuppressWarnings("ThreadPriorityCheck") // so that it is not the caller's
        Worker(int participant) {
            super(ROOT, null, "batchnorm-" + participant, 0, false);
            this.participant = participant;
            setDaemon(true);
            setPriority(NORM_PRIORITY);
            setContextClassLoader(null);
        }

        /**
         * Called by the caller: there is work.
         *
         * @return false if the worker has ended
         */
        boolean offer() {
            if (!phase.compareAndSet(IDLE, OFFERED)) {
                return false;
            }
            if (parked) {
                LockSupport.unpark(this);
            }
            return true;
        }

        /**
         * Called by the caller, who has found nothing more to do: takes the offer back, or waits until the worker is
         * done.
         */
        void awaitDone() {
            if (phase.compareAndSet(OFFERED, IDLE)) {
                return;
            }
            boolean interrupted = false;
            long start = System.nanoTime();
            while (phase.get() == WORKING) {
                if (System.nanoTime() - start < SPIN_NANOS) {
                    Thread.onSpinWait();
                    continue;
                }
                waitingCaller = Thread.currentThread();
                if (phase.get() == WORKING) {
                    LockSupport.park(WorkerPool.this);
                }
                // Nobody who is interrupted can park.
                interrupted |= Thread.interrupted();
            }
            waitingCaller = null;
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }

        @Override
        public void run() {
            while (awaitOffer()) {
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

        /** Whether work has come; else none came for so long that the worker is to end. */
        private boolean awaitOffer() {
            long start = System.nanoTime();
            while (phase.get() != OFFERED) {
                long waited = System.nanoTime() - start;
                if (waited < SPIN_NANOS) {
                    Thread.onSpinWait();
                    continue;
                }
                if (waited >= idleNanos && phase.compareAndSet(IDLE, ENDED)) {
                    return false;
                }
                parked = true;
                if (phase.get() != OFFERED) {
                    LockSupport.parkNanos(WorkerPool.this, idleNanos - waited);
                }
                parked = false;
                // An interruption has nothing to say to a worker, and nobody who is interrupted can park.
                Thread.interrupted();
            }
            return true;
        }
    }
}
