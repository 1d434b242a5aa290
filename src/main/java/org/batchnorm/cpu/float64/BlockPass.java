package org.batchnorm.cpu.float64;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.pass.WorkerPool;

/**
 * A pass over the values of a batch, a block at a time: for each series of pieces that have their lanes in common it
 * begins, takes the pieces, a few at once, and ends.
 */
abstract class BlockPass implements WorkerPool.Task {
    final Job job;

    BlockPass(Job job) {
        this.job = job;
    }

    /** What a block does before anything else, to features of one partial sum. */
    void clear(int partial, int from, int to) {}

    /** Loads what it needs of the features of the lanes. */
    abstract void begin(Lanes lanes);

    /** Takes the pieces of the lanes. */
    abstract void take(Lanes lanes);

    /** Ends the lanes that began last. */
    void end(Lanes lanes, int partial) {}

    @Override
    public final void run(int block, int participant) {
        Cut cut = job.cut;
        run(cut.partialOf(block), cut.firstFeature(block), cut.endFeature(block), job.lanes(participant));
    }

    /** Takes the values of some features that go into one partial sum. */
    final void run(int partial, int from, int to, Lanes lanes) {
        Cut cut = job.cut;
        clear(partial, from, to);
        if (cut.byRows) {
            rows(partial, cut.columns.first(from), cut.columns.end(to), lanes);
        } else {
            for (int channel = from; channel < to; channel++) {
                runs(partial, channel, lanes);
            }
        }
    }

    private void rows(int partial, int from, int to, Lanes lanes) {
        Cut cut = job.cut;
        int part = cut.rowPartOf(partial);
        int width = cut.columns.width;
        for (int column = from; column < to; column += Lanes.MOST) {
            int length = Math.min(Lanes.MOST, to - column);
            lanes.columns(cut.columns, column, length);
            begin(lanes);
            for (long row = cut.firstRow(part); row < cut.endRow(part); row++) {
                piece(lanes, row * width + column, length);
            }
            if (cut.hasLooseRows(part)) {
                looseRows(column, length, lanes);
            }
            takeLast(lanes);
            end(lanes, partial);
        }
    }

    /** Rows of the data that are left over where several count as one row of the matrix. */
    private void looseRows(int column, int length, Lanes lanes) {
        Cut cut = job.cut;
        int width = cut.columns.ofDataRow();
        long first = cut.rows * cut.columns.width + column;
        int within = Math.min(length, width - column);
        for (int row = 0; within > 0 && row < cut.looseRows; row++) {
            piece(lanes, first + (long) row * width, within);
        }
    }

    private void runs(int partial, int channel, Lanes lanes) {
        Cut cut = job.cut;
        int part = cut.rowPartOf(partial);
        long from = cut.firstPosition(partial);
        long to = cut.endPosition(partial);
        lanes.channel(channel, to - from);
        begin(lanes);
        for (long image = cut.firstRow(part); image < cut.endRow(part); image++) {
            long run = image * cut.imageApart() + channel * cut.shape.spatial();
            for (long s = from; s < to; s += lanes.length) {
                piece(lanes, run + s, (int) Math.min(lanes.length, to - s));
            }
        }
        takeLast(lanes);
        end(lanes, partial);
    }

    private void piece(Lanes lanes, long position, int length) {
        if (lanes.add(position, length)) {
            takeLast(lanes);
        }
    }

    private void takeLast(Lanes lanes) {
        if (!lanes.areEmpty()) {
            take(lanes);
            lanes.drop();
        }
    }
}
