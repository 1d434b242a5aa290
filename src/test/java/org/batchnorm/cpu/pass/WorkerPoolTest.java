package org.batchnorm.cpu.pass;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The threads of the CPU backends. */
class WorkerPoolTest {
    private static final long LONG = TimeUnit.MINUTES.toNanos(1);

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void everyBlockIsDoneOnce(boolean backwards) {
        WorkerPool pool = new WorkerPool(LONG);
        for (int count = 0; count < 50; count++) {
            AtomicIntegerArray times = new AtomicIntegerArray(50);
            AtomicInteger highest = new AtomicInteger();
            pool.run(
                    (block, participant) -> {
                        times.incrementAndGet(block);
                        highest.accumulateAndGet(participant, Math::max);
                    },
                    count,
                    3,
                    backwards);
            assertThat(highest.get()).isLessThan(3);
            for (int block = 0; block < 50; block++) {
                assertThat(times.get(block)).isEqualTo(block < count ? 1 : 0);
            }
        }
    }

    @Test
    void aCallerAloneDoesTheBlocksInTheOrderAskedFor() {
        WorkerPool pool = new WorkerPool(LONG);
        List<Integer> order = new ArrayList<>();
        pool.run((block, participant) -> order.add(block), 3, 1, false);
        pool.run((block, participant) -> order.add(block), 3, 1, true);
        assertThat(order).containsExactly(0, 1, 2, 2, 1, 0);
    }

    @Test
    void everyParticipantPreparesOnceAndBeforeItsBlocks() {
        WorkerPool pool = new WorkerPool(LONG);
        for (int count = 1; count < 50; count++) {
            AtomicIntegerArray prepared = new AtomicIntegerArray(3);
            AtomicInteger unprepared = new AtomicInteger();
            pool.run(
                    new WorkerPool.Task() {
                        @Override
                        public void prepare(int participant) {
                            prepared.incrementAndGet(participant);
                        }

                        @Override
                        public void run(int block, int participant) {
                            unprepared.addAndGet(prepared.get(participant) == 1 ? 0 : 1);
                        }
                    },
                    count,
                    3,
                    false);
            assertThat(unprepared.get()).isZero();
        }
    }

    /** The map pass relies on it: what the caller merges are the operation's results. */
    @Test
    void theCallerPreparesEvenIfWorkersLeaveItNoBlock() {
        AtomicInteger prepared = new AtomicInteger();
        AtomicInteger blocksOfCaller = new AtomicInteger();
        CountDownLatch blocks = new CountDownLatch(2);
        new WorkerPool(LONG)
                .run(
                        new WorkerPool.Task() {
                            @Override
                            public void prepare(int participant) {
                                if (participant == 0) {
                                    await(blocks);
                                    prepared.incrementAndGet();
                                }
                            }

                            @Override
                            public void run(int block, int participant) {
                                blocksOfCaller.addAndGet(participant == 0 ? 1 : 0);
                                blocks.countDown();
                            }
                        },
                        2,
                        2,
                        false);
        assertThat(prepared.get()).isEqualTo(1);
        assertThat(blocksOfCaller.get()).isZero();
    }

    @Test
    void whatAWorkerThrowsReachesTheCallerAndThePoolGoesOn() {
        WorkerPool pool = new WorkerPool(LONG);
        for (int i = 0; i < 100; i++) {
            Thread caller = Thread.currentThread();
            CountDownLatch workerIsThere = new CountDownLatch(1);
            assertThatThrownBy(() -> pool.run(
                            (block, participant) -> {
                                if (Thread.currentThread() == caller) {
                                    await(workerIsThere);
                                } else {
                                    workerIsThere.countDown();
                                    throw new IllegalStateException("from a worker");
                                }
                            },
                            8,
                            2,
                            false))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("from a worker");
            AtomicInteger done = new AtomicInteger();
            pool.run((block, participant) -> done.incrementAndGet(), 8, 2, false);
            assertThat(done.get()).isEqualTo(8);
        }
    }

    @Test
    void whatTheCallerThrowsReachesTheCaller() {
        assertThatThrownBy(() -> new WorkerPool(LONG)
                        .run(
                                (block, participant) -> {
                                    throw new OutOfMemoryError("from block " + block);
                                },
                                1,
                                2,
                                false))
                .isInstanceOf(OutOfMemoryError.class);
    }

    @Test
    void anIdlePoolIsParked() throws InterruptedException {
        WorkerPool pool = new WorkerPool(LONG);
        pool.run((block, participant) -> {}, 100, 4, false);
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (!pool.isParked() && System.nanoTime() < deadline) {
            Thread.sleep(1);
        }
        assertThat(pool.isParked()).isTrue();
    }

    @Test
    void anInterruptedWorkerNeitherSpinsNorStops() throws InterruptedException {
        WorkerPool pool = new WorkerPool(LONG);
        Thread worker = worker(pool);
        for (int i = 0; i < 3; i++) {
            worker.interrupt();
            Thread.sleep(20);
            ThreadMXBean times = ManagementFactory.getThreadMXBean();
            long before = times.getThreadCpuTime(worker.threadId());
            Thread.sleep(100);
            assertThat(times.getThreadCpuTime(worker.threadId()) - before)
                    .isLessThan(TimeUnit.MILLISECONDS.toNanos(30));
            assertThat(worker(pool)).isSameAs(worker);
        }
    }

    @Test
    void anInterruptedCallerGetsItsWorkDoneAndStaysInterrupted() {
        WorkerPool pool = new WorkerPool(LONG);
        AtomicInteger done = new AtomicInteger();
        Thread.currentThread().interrupt();
        pool.run(
                (block, participant) -> {
                    long end = System.nanoTime() + (participant == 0 ? 0 : 1_000_000);
                    while (System.nanoTime() < end) {
                        Thread.onSpinWait();
                    }
                    done.incrementAndGet();
                },
                20,
                2,
                false);
        assertThat(Thread.interrupted()).isTrue();
        assertThat(done.get()).isEqualTo(20);
    }

    @Test
    @SuppressWarnings("ThreadPriorityCheck")
    void workersAreNobodys() throws InterruptedException {
        ThreadGroup group = new ThreadGroup("of a caller");
        InheritableThreadLocal<String> local = new InheritableThreadLocal<>();
        AtomicReference<String> inherited = new AtomicReference<>("nothing yet");
        AtomicReference<Thread> worker = new AtomicReference<>();
        Thread caller = new Thread(group, () -> {
            local.set("of the caller");
            Thread.currentThread().setPriority(Thread.MIN_PRIORITY);
            WorkerPool pool = new WorkerPool(LONG);
            worker.set(worker(pool));
            Thread one = worker.get();
            runOnBoth(pool, () -> {
                if (Thread.currentThread() == one) {
                    inherited.set(local.get());
                }
            });
        });
        caller.setContextClassLoader(new ClassLoader() {});
        caller.start();
        caller.join();
        assertThat(inherited.get()).isNull();
        assertThat(worker.get().isDaemon()).isTrue();
        assertThat(worker.get().getContextClassLoader()).isNull();
        assertThat(worker.get().getPriority()).isEqualTo(Thread.NORM_PRIORITY);
        assertThat(worker.get().getThreadGroup().getParent()).isNull();
        assertThat(group.activeCount()).isZero();
    }

    @Test
    void anIdlePoolHasNoThreadsAndHiresNewOnes() throws InterruptedException {
        WorkerPool pool = new WorkerPool(TimeUnit.MILLISECONDS.toNanos(20));
        for (int i = 0; i < 3; i++) {
            Thread worker = worker(pool);
            worker.join(TimeUnit.SECONDS.toMillis(30));
            assertThat(worker.isAlive()).isFalse();
            assertThat(pool.workers()).isZero();
        }
    }

    /** Pauses as long as the workers' patience, so that they end while there is an offer. */
    @Test
    void noWorkIsLostToAWorkerThatEnds() {
        WorkerPool pool = new WorkerPool(TimeUnit.MICROSECONDS.toNanos(60));
        SplittableRandom random = new SplittableRandom(1);
        Set<Thread> workers = ConcurrentHashMap.newKeySet();
        AtomicIntegerArray times = new AtomicIntegerArray(8);
        int runs = 10_000;
        for (int i = 1; i <= runs; i++) {
            pool.run(
                    (block, participant) -> {
                        times.incrementAndGet(block);
                        if (participant > 0) {
                            workers.add(Thread.currentThread());
                        }
                    },
                    8,
                    3,
                    false);
            for (int block = 0; block < 8; block++) {
                assertThat(times.get(block)).isEqualTo(i);
            }
            long end = System.nanoTime() + random.nextLong(120_000);
            while (System.nanoTime() < end) {
                Thread.onSpinWait();
            }
        }
        assertThat(workers).hasSizeGreaterThan(10);
    }

    /** The worker of a pool's second participant, at work. */
    private static Thread worker(WorkerPool pool) {
        AtomicReference<Thread> worker = new AtomicReference<>();
        Thread caller = Thread.currentThread();
        runOnBoth(pool, () -> {
            if (Thread.currentThread() != caller) {
                worker.set(Thread.currentThread());
            }
        });
        return worker.get();
    }

    private static void runOnBoth(WorkerPool pool, Runnable work) {
        CountDownLatch both = new CountDownLatch(2);
        pool.run(
                (block, participant) -> {
                    work.run();
                    both.countDown();
                    await(both);
                },
                2,
                2,
                false);
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(30, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
