package org.batchnorm.bench.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.batchnorm.spi.InProcessExchange;
import org.batchnorm.spi.StatisticsExchange;
import org.junit.jupiter.api.Test;

class RanksTest {
    @Test
    void whatSucceedsEverywhereGoesOn() throws Exception {
        assertThat(outcomes(exchange -> "rank " + exchange.rank())).containsExactly("rank 0", "rank 1", "rank 2");
    }

    /** The ranks that did not fail, and those that failed too, leave quietly with the same exit code. */
    @Test
    void whereRanksFailTheFirstOfThemSaysWhy() throws Exception {
        List<String> outcomes = outcomes(exchange -> {
            if (exchange.rank() > 0) {
                throw new IOException("no file on rank " + exchange.rank());
            }
            return "all is well here";
        });
        assertThat(outcomes).containsExactly("code 1", "java.io.IOException: no file on rank 1", "code 1");
    }

    @Test
    void wrongInputIsToldApart() throws Exception {
        List<String> outcomes = outcomes(exchange -> {
            throw new IllegalArgumentException("batch size: 1 given");
        });
        assertThat(outcomes)
                .containsExactly("java.lang.IllegalArgumentException: batch size: 1 given", "code 2", "code 2");
    }

    private interface Action {
        String on(StatisticsExchange exchange) throws Exception;
    }

    private static List<String> outcomes(Action action) throws Exception {
        List<StatisticsExchange> group = InProcessExchange.group(3, Duration.ofMinutes(1));
        try (ExecutorService threads = Executors.newFixedThreadPool(group.size())) {
            List<Future<String>> futures = new ArrayList<>();
            for (StatisticsExchange exchange : group) {
                futures.add(threads.submit(() -> outcome(exchange, action)));
            }
            List<String> outcomes = new ArrayList<>();
            for (Future<String> future : futures) {
                outcomes.add(future.get());
            }
            return outcomes;
        }
    }

    private static String outcome(StatisticsExchange exchange, Action action) {
        try {
            return Ranks.together(exchange, () -> action.on(exchange));
        } catch (Ranks.AgreedFailure e) {
            return e.getCause() == null ? "code " + e.code() : e.getCause().toString();
        }
    }
}
