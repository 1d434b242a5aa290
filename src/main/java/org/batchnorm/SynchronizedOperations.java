package org.batchnorm;

import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.StatisticsExchange;
import org.batchnorm.spi.Tensors;

/**
 * The operations of a backend on this rank's part of a batch, with the statistics of the whole: PyTorch's
 * {@code SyncBatchNorm}. One exchange a pass:
 *
 * <pre>
 *   forward:   collectStatistics ─▶ moments of all ranks ─▶ transform
 *   backward:  reduceGradients   ─▶ sums of all ranks    ─▶ inputGradient
 * </pre>
 *
 * <p>A rank without values takes part in both. The gradients of γ and β are those of the rank's own values: their sum
 * over the ranks is what the whole batch gives. The statistics of a forward have the moments of the rank's own values
 * beside them, which its backward needs, and by which it knows that they are those of all ranks.
 */
final class SynchronizedOperations implements TrainingOperations {
    private static final int FORWARD = 1;
    private static final int BACKWARD = 2;

    /** What comes before the values of a message: which pass it is of, and the count. */
    private static final int HEADER = 2;

    private final BatchNormOperations backend;
    private final StatisticsExchange exchange;
    private final Moments moments;
    private final Moments ofRank;
    private final GradientSums sums;
    private final GradientSums sumsOfRank;
    private final boolean withLow;
    private final double[] mine;
    private final double[] all;

    SynchronizedOperations(BatchNormOperations backend, StatisticsExchange exchange, int features, ElementType type) {
        this.backend = backend;
        this.exchange = exchange;
        this.moments = new Moments(features);
        this.ofRank = new Moments(features);
        this.sums = new GradientSums(features);
        this.sumsOfRank = new GradientSums(features);
        // In float64 what rounding took from the mean, or from the sum of dy, travels, too.
        this.withLow = type == ElementType.FLOAT64;
        this.mine = new double[HEADER + (withLow ? 3 : 2) * features];
        this.all = new double[exchange.size() * mine.length];
    }

    @Override
    public BatchNormOperations backend() {
        return backend;
    }

    /** The moments of all ranks' values. */
    @Override
    public synchronized void collectStatistics(Tensors tensors, Moments into) {
        backend.collectStatistics(tensors, ofRank);
        merge(into);
    }

    /** Merges the moments that all ranks have in {@link #ofRank}. */
    private void merge(Moments into) {
        gather(FORWARD, ofRank.count(), ofRank.mean(), ofRank.m2(), ofRank.meanLow());
        into.clear();
        for (int rank = 0; rank < exchange.size(); rank++) {
            ofRank.count(scatter(rank, ofRank.mean(), ofRank.m2(), ofRank.meanLow()));
            into.add(ofRank);
        }
        if (into.count() == 1) {
            throw new IllegalArgumentException(
                    "shape: expected more than 1 value per feature to take batch statistics from, the "
                            + exchange.size() + " ranks together have 1");
        }
    }

    @Override
    public synchronized void forward(Tensors tensors, Normalization normalization) {
        BatchStatistics statistics = normalization.statistics();
        backend.collectStatistics(tensors, ofRank);
        statistics.setPart(ofRank);
        merge(moments);
        statistics.set(moments, normalization.eps());
        backend.transform(tensors, normalization);
    }

    /** The ranks tell after the exchange. */
    @Override
    public void requireNotOneValuePerFeature(BatchShape shape) {}

    /** Forward of this rank's values as a batch of their own, which exchanges nothing; nor will its backward. */
    @Override
    public synchronized void forwardAlone(Tensors tensors, Normalization normalization) {
        backend.forward(tensors, normalization);
    }

    @Override
    public synchronized void backward(Tensors tensors, Normalization normalization, GradientSums own) {
        if (!normalization.throughStatistics() || normalization.statistics().part() == null) {
            backend.backward(tensors, normalization, own);
            return;
        }
        backend.reduceGradients(tensors, normalization, own);
        gather(BACKWARD, own.count(), own.dgamma(), own.dbeta(), own.dbetaLow());
        addUp();
        backend.inputGradient(tensors, normalization, sums);
    }

    private void addUp() {
        sums.clear();
        for (int rank = 0; rank < exchange.size(); rank++) {
            sumsOfRank.count(scatter(rank, sumsOfRank.dgamma(), sumsOfRank.dbeta(), sumsOfRank.dbetaLow()));
            sums.add(sumsOfRank);
        }
    }

    private void gather(int pass, long count, double[] first, double[] second, double[] low) {
        mine[0] = pass;
        mine[1] = count;
        System.arraycopy(first, 0, mine, start(0, 0), first.length);
        System.arraycopy(second, 0, mine, start(0, 1), second.length);
        if (withLow) {
            System.arraycopy(low, 0, mine, start(0, 2), low.length);
        }
        exchange.allGather(mine, all);
        for (int rank = 0; rank < exchange.size(); rank++) {
            if (all[rank * mine.length] != pass) {
                throw new IllegalStateException("exchange: rank " + exchange.rank() + " is in the "
                        + (pass == FORWARD ? "forward" : "backward") + " of a layer, rank " + rank
                        + " is not; every rank must run the same operations in the same order");
            }
        }
    }

    /** Takes out what one rank has given; returns its count. */
    private long scatter(int rank, double[] first, double[] second, double[] low) {
        System.arraycopy(all, start(rank, 0), first, 0, first.length);
        System.arraycopy(all, start(rank, 1), second, 0, second.length);
        if (withLow) {
            System.arraycopy(all, start(rank, 2), low, 0, low.length);
        }
        return (long) all[start(rank, 0) - 1];
    }

    /** Where an array of a rank begins among those of all. */
    private int start(int rank, int array) {
        return rank * mine.length + HEADER + array * moments.mean().length;
    }
}
