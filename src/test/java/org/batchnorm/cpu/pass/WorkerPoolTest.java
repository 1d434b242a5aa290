package org.batchnorm.cpu.pass;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The threads of the CPU backends. */
class WorkerPoolTest {

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void everyBlockIsDoneOnce(boolean backwards) {
        WorkerPool pool = new WorkerPool();
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
        WorkerPool pool = new WorkerPool();
        List<Integer> order = new ArrayList<>();
        pool.run((block, participant) -> order.add(block), 3, 1, false);
        pool.run((block, participant) -> order.add(block), 3, 1, true);
        assertThat(order).containsExactly(0, 1, 2, 2, 1, 0);
    }

    @Test
    void everyParticipantPreparesOnceAndBeforeItsBlocks() {
        WorkerPool pool = new WorkerPool();
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
        new WorkerPool()
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
        WorkerPool pool = new WorkerPool();
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
        assertThatThrownBy(() -> new WorkerPool()
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
        WorkerPool pool = new WorkerPool();
        pool.run((block, participant) -> {}, 100, 4, false);
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (!pool.isParked() && System.nanoTime() < deadline) {
            Thread.sleep(1);
        }
        assertThat(pool.isParked()).isTrue();
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(30, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
