package org.batchnorm.cpu.pass;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.cpu.operation.Backward;
import org.batchnorm.cpu.operation.CollectStatistics;
import org.batchnorm.cpu.operation.Forward;
import org.batchnorm.cpu.operation.InputGradient;
import org.batchnorm.cpu.operation.Operation;
import org.batchnorm.cpu.operation.ReduceGradients;
import org.batchnorm.cpu.operation.Transform;

/**
 * The passes of an operation, in their order and on their threads.
 *
 * <pre>
 *   collectStatistics:  shift ─▶ [reduce]* ─▶ [merge]°
 *   forward:            shift ─▶ [reduce]* ─▶ [merge]° ─▶ [map]*    or    [shift ─▶ reduce ─▶ merge ─▶ map]‡
 *   transform:                                            [map]*
 *   reduceGradients:    shift ─▶ [reduce]* ─▶ [merge]°
 *   inputGradient:                                        [map]*
 *   backward:           shift ─▶ [reduce]* ─▶ [merge]° ─▶ [map]*    or    [shift ─▶ reduce ─▶ merge ─▶ map]‡
 * </pre>
 *
 * In blocks*, in parts of the features° or in groups of features‡, on several threads; few partial sums every thread
 * merges for itself. The map takes the blocks in the opposite order: it begins with those reduced last, which are still
 * in the caches.
 *
 * <p>A merge leaves features that are suspect; of ordinary data there are none. They are reduced once more, in double
 * precision, in the same blocks.
 *
 * <p>Serves one caller at a time, and many one after the other.
 */
public final class Pipeline {
    /** The operations, each for whoever has taken the pipeline. */
    public final Forward forward = new Forward();

    /** The stage {@code transform}. */
    public final Transform transform = new Transform();

    /** The backward. */
    public final Backward backward = new Backward();

    /** The stage {@code reduceGradients}. */
    public final ReduceGradients reduceGradients = new ReduceGradients();

    /** The stage {@code collectStatistics}. */
    public final CollectStatistics collectStatistics = new CollectStatistics();

    /** The stage {@code inputGradient}. */
    public final InputGradient inputGradient = new InputGradient();

    private final Scratch scratch = new Scratch();
    private final ReducePass reduce = new ReducePass(scratch, forward);
    private final SuspectPass suspect = new SuspectPass(scratch, forward);
    private final MergePass merge = new MergePass(scratch, reduce, suspect, forward);
    private final MapPass map = new MapPass(scratch, merge, forward);
    private final GroupPass group = new GroupPass(scratch, reduce, merge, map, forward);

    Pipeline() {}

    /**
     * Runs an operation that has taken its batch.
     *
     * @param threads those on offer, the caller's among them
     */
    public void run(Operation operation, Cut cut, int threads) {
        try {
            scratch.reserve(operation, cut, threads);
            int inputs = operation.reduced.hasSecond() ? 2 : 1;
            int groups = operation.reduces() && operation.maps() ? CutPolicy.groups(cut, inputs, threads) : 0;
            if (groups > 0) {
                WorkerPool.SHARED.run(group.of(operation, cut, groups), groups, threads, false);
            } else {
                runPasses(operation, cut, threads);
            }
        } finally {
            scratch.forget();
            operation.end();
        }
    }

    private void runPasses(Operation operation, Cut cut, int threads) {
        boolean mergesAll = false;
        if (operation.reduces()) {
            operation.prepareShift(cut, scratch.of(0).rows, scratch.coefficients, 0, cut.features);
            // A merge may read x again, which no map of another thread may then have overwritten.
            mergesAll =
                    operation.maps() && CutPolicy.mergesByAll(cut, threads) && !operation.mergeReadsWhatMapOverwrites();
            WorkerPool.SHARED.run(reduce.of(operation, cut), cut.count(), threads, false);
            int parts = CutPolicy.mergeParts(cut.features, threads);
            merge.of(operation, cut, parts);
            if (!mergesAll) {
                WorkerPool.SHARED.run(merge, parts, threads, false);
                suspect.settle(threads);
            }
        }
        if (operation.maps()) {
            WorkerPool.SHARED.run(map.of(operation, cut, mergesAll), cut.count(), threads, true);
        }
    }
}
