package org.batchnorm.cpu.pass;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.cpu.operation.Operation;

/**
 * The pass that merges all partial sums to results and coefficients, a part of the features at a time. It leaves those
 * that are suspect to {@link SuspectPass}.
 */
final class MergePass extends Pass {
    private final ReducePass reduce;
    private final SuspectPass suspect;
    private int parts = 1;

    MergePass(Scratch scratch, ReducePass reduce, SuspectPass suspect, Operation first) {
        super(scratch, first);
        this.reduce = reduce;
        this.suspect = suspect;
    }

    /** Takes an operation, whose features are cut into so many parts. */
    MergePass of(Operation newOperation, Cut newCut, int newParts) {
        take(newOperation, newCut);
        suspect.take(newOperation, newCut);
        parts = newParts;
        return this;
    }

    @Override
    public void run(int part, int participant) {
        merge(cut.firstFeature(part, parts), cut.firstFeature(part + 1, parts), participant);
    }

    /** Merges features of which no other thread merges any, the suspect ones among them. */
    void mergeAlone(int from, int to, int participant) {
        merge(from, to, participant);
        suspect.settle(scratch.suspects, operation.features, scratch.coefficients, from, to, participant);
    }

    /**
     * Merges features. Where the shift of some proves to be far from their mean, it is moved, and all these features
     * are reduced once more; the others come to the same bits again.
     */
    private void merge(int from, int to, int participant) {
        Coefficients c = scratch.coefficients;
        float[] values = scratch.of(participant).tile.a;
        Sums total = scratch.sums.total(from, to, values);
        if (operation.merge(cut, total, operation.features, c, from, to)) {
            return;
        }
        if (CutPolicy.reducesAgain(cut) && operation.movesShift(total, c, from, to)) {
            reduce.prepare(participant);
            for (int partial = 0; partial < cut.partials(); partial++) {
                reduce.reduceAgain(partial, from, to, participant);
            }
            total = scratch.sums.total(from, to, values);
        }
        operation.mergeAgain(cut, total, operation.features, c, scratch.suspects, from, to);
    }

    /**
     * Merges all features into a participant's own coefficients. Where there is little to add, that is done sooner than
     * another core's coefficients are fetched. All participants come to the same results; those of the caller are kept.
     */
    void mergeAll(int participant) {
        ThreadScratch own = scratch.of(participant);
        own.reserveMerge(cut.features);
        own.takeWithoutResults(operation);
        scratch.sums.total(own.sums, 0, cut.features, own.tile.a);
        PerFeature features = features(participant);
        own.coefficients.copyShift(scratch.coefficients, cut.features);
        own.suspects.begin(cut.features);
        if (!operation.merge(cut, own.sums, features, own.coefficients, 0, cut.features)) {
            operation.mergeAgain(cut, own.sums, features, own.coefficients, own.suspects, 0, cut.features);
        }
        suspect.settle(own.suspects, features, own.coefficients, 0, cut.features, participant);
    }

    /** What a participant merges into, where each merges all features. */
    PerFeature features(int participant) {
        return participant == 0 ? operation.features : scratch.of(participant).features;
    }
}
