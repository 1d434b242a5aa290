package org.batchnorm.cpu.pass;

import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Runs;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.cpu.kernel.Suspects;
import org.batchnorm.cpu.kernel.Tile;
import org.batchnorm.cpu.kernel.scalar.DoubleReduction;
import org.batchnorm.cpu.kernel.scalar.ResidualReduction;
import org.batchnorm.cpu.kernel.scalar.WideElementwise;
import org.batchnorm.cpu.operation.Operation;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.jspecify.annotations.Nullable;

/** What one thread of an operation has for itself: what it makes itself it need not fetch from another core. */
final class ThreadScratch {
    /** Small arrays for the kernels. */
    final Tile tile = new Tile();

    /** The rows of the kernel call under way. */
    final Rows rows = new Rows(tile);

    /** The runs of the kernel call under way. */
    final Runs runs = new Runs(tile);

    /** The reduction where its gradient is wanted. */
    final ResidualReduction residualGradient = new ResidualReduction(tile);

    /** Of the columns where a feature has several; of the features where the thread makes them for itself. */
    final Coefficients coefficients = new Coefficients();

    /** What goes with them. */
    final PerFeature features = new PerFeature();

    /** The sums of all partials, where the thread merges all for itself. */
    final Sums sums = new Sums();

    /** The suspect features, where the thread merges all for itself. */
    final Suspects suspects = new Suspects();

    private @Nullable WideElementwise wide;
    private @Nullable DoubleReduction inDouble;

    private BatchStatistics unread = new BatchStatistics(1);
    private GradientSums unreadGradients = new GradientSums(1);

    /** The map where there are wide features, which is rare. */
    WideElementwise wide() {
        if (wide == null) {
            wide = new WideElementwise(tile);
        }
        return wide;
    }

    /** The reduction of suspect features, which is as rare. */
    DoubleReduction inDouble() {
        if (inDouble == null) {
            inDouble = new DoubleReduction(tile);
        }
        return inDouble;
    }

    /** Makes room for merging so many features; the contents are lost. */
    void reserveMerge(int count) {
        sums.reserve(count);
        if (unread.mean().length < count) {
            unread = new BatchStatistics(sums.sum.length);
            unreadGradients = new GradientSums(sums.sum.length);
        }
    }

    /** The operation's parameters, with results that nobody reads: so no two threads write the same. */
    void takeWithoutResults(Operation operation) {
        features.set(operation.features);
        if (!operation.isGradient()) {
            features.statistics = unread;
        }
        features.gradients = unreadGradients;
    }

    /** Lets go of the caller's memory. */
    void forget() {
        features.clear();
        residualGradient.clear();
        suspects.clear();
    }
}
