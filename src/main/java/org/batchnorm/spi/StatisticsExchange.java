package org.batchnorm.spi;

/**
 * What the ranks of a group exchange so that a batch which is spread over them is normalized as one: threads of this
 * process, devices, or processes on several machines. Each rank has one exchange, which serves one thread at a time,
 * and all ranks must make the same calls in the same order.
 *
 * <p>Statistics are gathered and merged by every rank in the order of the ranks, not reduced on the way: so all ranks
 * have the same bits.
 */
public interface StatisticsExchange {

    /** Which one of the group this is: 0 to {@code size() − 1}. */
    int rank();

    /** How many ranks the group has, ≥ 1. */
    int size();

    /**
     * Gathers the values of all ranks.
     *
     * @param mine in: this rank's, as many on every rank
     * @param all out: {@code size() · mine.length} values, in the order of the ranks
     * @throws IllegalArgumentException if the lengths do not fit
     * @throws IllegalStateException if the exchange failed, or another rank did not come; it is of no use any more
     */
    void allGather(double[] mine, double[] all);

    /**
     * Adds up the values of all ranks, in place: for the gradients of a network's parameters.
     *
     * @param values in: this rank's, as many on every rank; out: the sums, in double precision in the order of the
     *     ranks and rounded once
     * @throws IllegalStateException as {@link #allGather}
     */
    default void allReduce(float[] values) {
        double[] mine = new double[values.length];
        double[] all = new double[values.length * size()];
        for (int i = 0; i < values.length; i++) {
            mine[i] = values[i];
        }
        allGather(mine, all);
        for (int i = 0; i < values.length; i++) {
            double sum = 0;
            for (int rank = 0; rank < size(); rank++) {
                sum += all[rank * values.length + i];
            }
            values[i] = (float) sum;
        }
    }
}
