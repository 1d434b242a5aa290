package org.batchnorm.cpu.pass;

import org.batchnorm.cpu.cut.Columns;
import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.DoubleSums;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Runs;
import org.batchnorm.cpu.kernel.Suspects;
import org.batchnorm.cpu.kernel.scalar.DoubleReduction;
import org.batchnorm.cpu.operation.Operation;

/** The pass that reduces the suspect features once more, in double precision, a block at a time. */
final class SuspectPass extends Pass {
    /** As often, at most: after the first time the mean is known. */
    private static final int TIMES = 2;

    SuspectPass(Scratch scratch, Operation first) {
        super(scratch, first);
    }

    /** Settles all suspect features of the operation that it has taken, on several threads. */
    void settle(int threads) {
        Suspects suspects = scratch.suspects;
        for (int i = 0; i < TIMES && suspects.areAny(0, cut.features); i++) {
            suspects.reserveSums(cut.partials());
            WorkerPool.SHARED.run(this, cut.count(), threads, false);
            suspects.addUp(cut.partials(), 0, cut.features);
            operation.mergeInDouble(operation.features, scratch.coefficients, suspects, 0, cut.features);
        }
    }

    /** Settles the suspect ones of the features {@code from} to {@code to}, on one thread. */
    void settle(Suspects suspects, PerFeature f, Coefficients c, int from, int to, int participant) {
        for (int i = 0; i < TIMES && suspects.areAny(from, to); i++) {
            suspects.reserveSums(cut.partials());
            for (int partial = 0; partial < cut.partials(); partial++) {
                reduce(partial, from, to, participant, suspects);
            }
            suspects.addUp(cut.partials(), from, to);
            operation.mergeInDouble(f, c, suspects, from, to);
        }
    }

    @Override
    public void run(int block, int participant) {
        reduce(cut.partialOf(block), cut.firstFeature(block), cut.endFeature(block), participant, scratch.suspects);
    }

    private void reduce(int partial, int from, int to, int participant, Suspects suspects) {
        DoubleSums into = suspects.ofPartial(partial);
        into.clear(from, to);
        DoubleReduction kernel =
                scratch.of(participant).inDouble().of(operation.reduced, operation.features, operation.conversions());
        if (cut.byRows) {
            reduceRows(cut.rowPartOf(partial), from, to, scratch.of(participant).rows, kernel, suspects, into);
        } else {
            reduceImages(partial, from, to, scratch.of(participant).runs, kernel, suspects, into);
        }
    }

    /** Rows are not folded: the kernel takes several short ones as one. */
    private void reduceRows(
            int part, int from, int to, Rows rows, DoubleReduction kernel, Suspects suspects, DoubleSums into) {
        Columns columns = cut.columns;
        long first = cut.firstRow(part);
        long count = (cut.endRow(part) - first) * columns.fold + (cut.hasLooseRows(part) ? cut.looseRows : 0);
        rows.columns(columns.ofDataRow(), columns.first(from), columns.first(to));
        kernel.rows(rows.rows(first * columns.width, count), columns, suspects, into);
    }

    private void reduceImages(
            int partial, int from, int to, Runs runs, DoubleReduction kernel, Suspects suspects, DoubleSums into) {
        int part = cut.rowPartOf(partial);
        long spatial = cut.shape.spatial();
        long image = cut.firstRow(part);
        long end = cut.endPosition(partial);
        runs.images(cut.endRow(part) - image, cut.imageApart()).channels(from, to, spatial);
        for (long s = cut.firstPosition(partial); s < end; s += CutPolicy.MAPPED_RUN) {
            runs.values(image * cut.imageApart() + from * spatial + s, (int) Math.min(CutPolicy.MAPPED_RUN, end - s));
            kernel.runs(runs, suspects, into);
        }
    }
}
