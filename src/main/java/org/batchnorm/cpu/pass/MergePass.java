package org.batchnorm.cpu.pass;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.cpu.operation.Operation;

/** The pass that merges: a part of the features at a time, from all partial sums to results and coefficients. */
final class MergePass implements WorkerPool.Task {
    private final Scratch scratch;
    private Operation operation;
    private Cut cut = Cut.NONE;
    private int parts = 1;

    MergePass(Scratch scratch, Operation first) {
        this.scratch = scratch;
        this.operation = first;
    }

    /** Takes an operation, whose features are cut into so many parts. */
    MergePass of(Operation newOperation, Cut newCut, int newParts) {
        operation = newOperation;
        cut = newCut;
        parts = newParts;
        return this;
    }

    @Override
    public void run(int part, int participant) {
        merge(cut.firstFeature(part, parts), cut.firstFeature(part + 1, parts), participant);
    }

    /** Merges features of which no other thread merges any. */
    void merge(int from, int to, int participant) {
        ThreadScratch own = scratch.of(participant);
        Sums total = scratch.sums.total(from, to, own.tile.a);
        operation.merge(cut, total, operation.features, scratch.coefficients, from, to);
    }

    /**
     * Merges all features into a participant's own coefficients. Where there is little to add, that is sooner done than
     * fetched from another core. The caller's results are the operation's.
     */
    void mergeAll(int participant) {
        ThreadScratch own = scratch.of(participant);
        own.reserveMerge(cut.features);
        own.coefficients.reserve(cut.columns.width);
        scratch.sums.total(own.sums, 0, cut.features, own.tile.a);
        PerFeature features = participant == 0 ? operation.features : own.withoutResults(operation);
        System.arraycopy(scratch.coefficients.shift, 0, own.coefficients.shift, 0, cut.features);
        operation.merge(cut, own.sums, features, own.coefficients, 0, cut.features);
        own.forget();
    }
}
