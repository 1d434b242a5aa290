package org.batchnorm.spi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

class InProcessExchangeTest {
    private static final Duration DEADLINE = Duration.ofSeconds(60);

    @Test
    void gathersInTheOrderOfTheRanksAgainAndAgain() throws Exception {
        List<double[]> gathered = together(3, exchange -> {
            double[] all = new double[6];
            for (int round = 0; round < 200; round++) {
                double[] mine = {exchange.rank(), round};
                exchange.allGather(mine, all);
                assertThat(all).containsExactly(0, round, 1, round, 2, round);
            }
            return all;
        });
        assertThat(gathered).hasSize(3).allSatisfy(all -> assertThat(all).containsExactly(0, 199, 1, 199, 2, 199));
    }

    @Test
    void addsUpInDoublePrecision() throws Exception {
        List<double[]> sums = together(3, exchange -> {
            float[] values = {exchange.rank() == 1 ? 1 : 1e8f * (1 - exchange.rank()), exchange.rank()};
            exchange.allReduce(values);
            return new double[] {values[0], values[1]};
        });
        assertThat(sums).allSatisfy(sum -> assertThat(sum).containsExactly(1, 3));
    }

    @Test
    void ranksThatDisagreeAreAllToldSo() throws Exception {
        List<double[]> lengths = together(2, exchange -> {
            double[] mine = new double[2 + exchange.rank()];
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> exchange.allGather(mine, new double[2 * mine.length]))
                    .withMessageContaining("must have as many values on every rank");
            return mine;
        });
        assertThat(lengths).hasSize(2);
    }

    @Test
    void anInterruptedRankEndsTheWaitingOfTheOthers() throws Exception {
        List<double[]> none = together(2, exchange -> {
            if (exchange.rank() == 0) {
                Thread.currentThread().interrupt();
            }
            assertThatThrownBy(() -> exchange.allGather(new double[1], new double[2]))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining(exchange.rank() == 0 ? "was interrupted" : "was left by another rank");
            assertThat(Thread.interrupted()).isEqualTo(exchange.rank() == 0);
            return new double[0];
        });
        assertThat(none).hasSize(2);
    }

    @Test
    void anExchangeServesOneThreadAtATime() throws Exception {
        StatisticsExchange exchange = InProcessExchange.group(2, DEADLINE).get(0);
        Thread waiting = new Thread(() -> assertThatThrownBy(() -> exchange.allGather(new double[1], new double[2]))
                .hasMessageContaining("was interrupted"));
        waiting.start();
        while (waiting.isAlive() && waiting.getState() != Thread.State.TIMED_WAITING) {
            Thread.onSpinWait();
        }
        assertThatThrownBy(() -> exchange.allGather(new double[1], new double[2]))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("in use by another thread");
        waiting.interrupt();
        waiting.join();
    }

    @Test
    void whatCannotBeIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> InProcessExchange.group(0, DEADLINE))
                .withMessage("size: 0 given, must be at least 1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> InProcessExchange.group(2, Duration.ZERO))
                .withMessageContaining("deadline: PT0S given, must be positive");
        StatisticsExchange one = InProcessExchange.group(1, DEADLINE).get(0);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> one.allGather(new double[2], new double[3]))
                .withMessageContaining("all: double[3] given, must have 1 times the 2 values of mine");
    }

    private interface Rank {
        double[] run(StatisticsExchange exchange);
    }

    private static List<double[]> together(int size, Rank rank) throws Exception {
        try (ExecutorService threads = Executors.newFixedThreadPool(size)) {
            List<Future<double[]>> futures = new ArrayList<>();
            for (StatisticsExchange exchange : InProcessExchange.group(size, DEADLINE)) {
                futures.add(threads.submit(() -> rank.run(exchange)));
            }
            List<double[]> results = new ArrayList<>();
            for (Future<double[]> future : futures) {
                results.add(future.get());
            }
            return results;
        }
    }
}
