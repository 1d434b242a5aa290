package org.batchnorm.cpu.pass;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.ColumnSums;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Reduction;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Runs;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.cpu.operation.Operation;

/** The pass that reduces the inputs, a block at a time, each into its partial sum. */
final class ReducePass extends Pass {
    ReducePass(Scratch scratch, Operation first) {
        super(scratch, first);
    }

    /** Takes an operation. */
    ReducePass of(Operation newOperation, Cut newCut) {
        take(newOperation, newCut);
        return this;
    }

    @Override
    public void prepare(int participant) {
        if (cut.columns.isExpanded()) {
            Coefficients own = scratch.of(participant).coefficients;
            own.reserve(cut.columns.width);
            own.expandShift(scratch.coefficients, cut.columns, operation.reduced.hasSecond());
        }
    }

    @Override
    public void run(int block, int participant) {
        reduce(cut.partialOf(block), cut.firstFeature(block), cut.endFeature(block), participant);
    }

    /** Reduces the features {@code from} to {@code to} of one partial sum. */
    void reduce(int partial, int from, int to, int participant) {
        scratch.sums.clear(partial, participant, from, to);
        if (cut.byRows) {
            reduceRows(partial, from, to, participant);
        } else {
            reduceImages(partial, from, to, participant);
        }
    }

    private Coefficients coefficients(int participant) {
        return cut.columns.isExpanded() ? scratch.of(participant).coefficients : scratch.coefficients;
    }

    private void reduceRows(int partial, int from, int to, int participant) {
        Reduction kernel = operation.reduction();
        Operands operands = operation.reduced;
        boolean cached = CutPolicy.isCached(cut.shape, operands.hasSecond() ? 3 : 2);
        int streams = kernel.streams(cached, cut.columns.width);
        Coefficients c = coefficients(participant);
        ColumnSums sums = scratch.sums.columns(partial, participant);
        Rows rows = scratch.of(participant).rows;
        int width = cut.columns.width;
        rows.columns(width, cut.columns.first(from), cut.columns.end(to));
        int part = cut.rowPartOf(partial);
        long first = cut.firstRow(part);
        long end = cut.endRow(part);
        long ofStream = CutPolicy.rowsOfStream(end - first, streams);
        int atOnce = CutPolicy.rowsAtOnce(streams);
        for (long r = 0; r < ofStream; r += atOnce) {
            if (r > 0) {
                scratch.sums.addUp(partial, participant, from, to, rows.tile.a);
            }
            rows.rows((first + r) * width, Math.min(atOnce, ofStream - r)).streams(streams, ofStream * width);
            kernel.rows(operands, rows, c, sums);
        }
        long rest = first + ofStream * streams;
        if (rest < end) {
            kernel.rows(operands, rows.rows(rest * width, end - rest), c, sums);
        }
        if (cut.hasLooseRows(part)) {
            int columns = cut.columns.ofDataRow();
            rows.columns(columns, 0, columns).rows(cut.rows * width, cut.looseRows);
            kernel.rows(operands, rows, c, sums);
        }
        scratch.sums.addUp(partial, participant, from, to, rows.tile.a);
    }

    private void reduceImages(int partial, int from, int to, int participant) {
        int part = cut.rowPartOf(partial);
        long end = cut.endRow(part);
        Runs runs = scratch.of(participant).runs;
        for (long image = cut.firstRow(part); image < end; image += CutPolicy.IMAGES_AT_ONCE) {
            runs.images(Math.min(CutPolicy.IMAGES_AT_ONCE, end - image), cut.imageApart());
            reduceImages(partial, image, from, to, runs);
        }
    }

    private void reduceImages(int partial, long image, int from, int to, Runs runs) {
        Reduction kernel = operation.reduction();
        Operands operands = operation.reduced;
        Coefficients c = scratch.coefficients;
        Sums sums = scratch.sums.features(partial);
        long spatial = cut.shape.spatial();
        long first = image * cut.imageApart();
        if (spatial <= CutPolicy.RUN) {
            runs.channels(from, to, spatial).values(first + from * spatial, (int) spatial);
            kernel.runs(operands, runs, c, sums);
            return;
        }
        long end = cut.endPosition(partial);
        for (int channel = from; channel < to; channel++) {
            runs.channels(channel, channel + 1, spatial);
            for (long s = cut.firstPosition(partial); s < end; s += CutPolicy.RUN) {
                runs.values(first + channel * spatial + s, (int) Math.min(CutPolicy.RUN, end - s));
                kernel.runs(operands, runs, c, sums);
            }
        }
    }
}
