package org.batchnorm.cpu.float64;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.pass.WorkerPool;

/**
 * A pass over the values of a batch, a block at a time: for each series of pieces that have their lanes in common it
 * begins, takes the pieces, and ends.
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

    /** Takes the values from {@code position} on, of the first {@code length} lanes. */
    abstract void piece(Lanes lanes, long position, int length);

    /** Ends the lanes that began last. */
    void end(Lanes lanes, int partial) {}

    @Override
    public final void run(int block, int participant) {
        Cut cut = job.cut;
        Lanes lanes = job.lanes(participant);
        int partial = cut.partialOf(block);
        clear(partial, cut.firstFeature(block), cut.endFeature(block));
        if (cut.byRows) {
            rows(partial, cut.columns.first(cut.firstFeature(block)), cut.columns.end(cut.endFeature(block)), lanes);
        } else {
            for (int channel = cut.firstFeature(block); channel < cut.endFeature(block); channel++) {
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
        lanes.channel(channel, (int) Math.min(Lanes.MOST, to - from));
        begin(lanes);
        for (long image = cut.firstRow(part); image < cut.endRow(part); image++) {
            long run = image * cut.imageApart() + channel * cut.shape.spatial();
            for (long s = from; s < to; s += Lanes.MOST) {
                piece(lanes, run + s, (int) Math.min(Lanes.MOST, to - s));
            }
        }
        end(lanes, partial);
    }
}
