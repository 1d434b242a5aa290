package org.batchnorm.cpu.pass;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.operation.Operation;

/**
 * All passes at once, for one group of features after another: the values of a group are still in the caches when the
 * map reads them again.
 */
final class GroupPass extends Pass {
    private final ReducePass reduce;
    private final MergePass merge;
    private final MapPass map;
    private int groups = 1;

    GroupPass(Scratch scratch, ReducePass reduce, MergePass merge, MapPass map, Operation first) {
        super(scratch, first);
        this.reduce = reduce;
        this.merge = merge;
        this.map = map;
    }

    /** Takes an operation, whose features are cut into so many groups. */
    GroupPass of(Operation newOperation, Cut newCut, int newGroups) {
        take(newOperation, newCut);
        groups = newGroups;
        reduce.of(newOperation, newCut);
        merge.of(newOperation, newCut, newGroups);
        map.of(newOperation, newCut, false);
        return this;
    }

    @Override
    public void run(int group, int participant) {
        int from = cut.firstFeature(group, groups);
        int to = cut.firstFeature(group + 1, groups);
        operation.prepareShift(cut, scratch.of(participant).rows, scratch.coefficients, from, to);
        for (int partial = 0; partial < cut.partials(); partial++) {
            reduce.reduce(partial, from, to, participant);
        }
        merge.mergeAlone(from, to, participant);
        for (int partial = 0; partial < cut.partials(); partial++) {
            map.map(partial, from, to, participant);
        }
    }
}
