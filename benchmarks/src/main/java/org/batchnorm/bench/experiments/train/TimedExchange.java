package org.batchnorm.bench.experiments.train;

import org.batchnorm.spi.StatisticsExchange;

/** An exchange with a stopwatch on it, which runs while this rank waits for the others, too. */
final class TimedExchange implements StatisticsExchange {
    private final StatisticsExchange exchange;
    private long nanos;

    TimedExchange(StatisticsExchange exchange) {
        this.exchange = exchange;
    }

    @Override
    public int rank() {
        return exchange.rank();
    }

    @Override
    public int size() {
        return exchange.size();
    }

    @Override
    public void allGather(double[] mine, double[] all) {
        long start = System.nanoTime();
        exchange.allGather(mine, all);
        nanos += System.nanoTime() - start;
    }

    @Override
    public void allReduce(float[] values) {
        long start = System.nanoTime();
        exchange.allReduce(values);
        nanos += System.nanoTime() - start;
    }

    /** The nanoseconds spent in exchanges so far. */
    long nanos() {
        return nanos;
    }
}
