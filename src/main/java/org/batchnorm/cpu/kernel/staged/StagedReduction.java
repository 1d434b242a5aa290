package org.batchnorm.cpu.kernel.staged;

import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.ColumnSums;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Reduction;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Runs;
import org.batchnorm.cpu.kernel.Stage;
import org.batchnorm.cpu.kernel.Sums;

/**
 * {@link Reduction} of staged pieces. Pieces of rows have some rows of each stream, as many as are added up together,
 * so that the sums are the same bits as of tensors that are not cut into pieces. Runs of 16-bit types are cut into
 * shorter ones.
 */
final class StagedReduction implements Reduction {
    private final Kernels kernels;
    private final boolean rare;

    /**
     * A reduction.
     *
     * @param kernels those that reduce the pieces
     * @param rare whether it runs so rarely that it will not be compiled soon
     */
    StagedReduction(Kernels kernels, boolean rare) {
        this.kernels = kernels;
        this.rare = rare;
    }

    @Override
    public int streams(Operands o, boolean cached, int width) {
        return kernels.reduction(o).streams(o, cached, width);
    }

    @Override
    public int strip(Operands o, Rows r) {
        return kernels.reduction(o).strip(o, r);
    }

    @Override
    public void rows(Operands o, Rows r, Coefficients c, ColumnSums s) {
        Stage stage = StagedInput.of(o, kernels, r.tile);
        Reduction kernel = kernels.reduction(stage.operands);
        int strip = kernel.strip(o, r);
        for (int j = r.from; j < r.to; j += Stage.COLUMNS) {
            int atOnce = stage.columns(r, j, Math.min(j + Stage.COLUMNS, r.to), strip, Stage.LARGE_PIECE);
            for (long i = 0; i < r.count; i += atOnce) {
                int count = (int) Math.min(atOnce, r.count - i);
                Rows rows = stage.loadRows(o, r, i, count);
                StagedInput.apply(o, stage, r.streams * count);
                kernel.rows(stage.operands, rows, c, s);
            }
        }
    }

    @Override
    public void runs(Operands o, Runs r, Coefficients c, Sums s) {
        Stage stage = StagedInput.of(o, kernels, r.tile);
        Reduction kernel = kernels.reduction(stage.operands);
        int atOnce = Stage.channels(r, r.images, Stage.PIECE);
        int run = o.isStaged() ? (int) (Stage.PIECE / r.images) : r.length;
        for (int channel = r.from; channel < r.to; channel += atOnce) {
            int end = Math.min(channel + atOnce, r.to);
            long first = r.first + (channel - r.from) * r.channelApart;
            for (int j = 0; j < r.length; j += run) {
                stage.channels(r, channel, end, Math.min(run, r.length - j));
                Runs runs = stage.loadRuns(o, first + j, (int) r.images);
                StagedInput.apply(o, stage, (int) r.images);
                kernel.runs(stage.operands, runs, c, s);
            }
        }
    }

    @Override
    public void sample(Operands o, Rows r, Coefficients c) {
        Stage stage = StagedInput.of(o, kernels, r.tile);
        Reduction kernel = kernels.sampling(stage.operands, rare);
        int samples = (int) r.count;
        for (int j = r.from; j < r.to; j += Stage.COLUMNS) {
            stage.columns(r, j, Math.min(j + Stage.COLUMNS, r.to), samples, Stage.PIECE);
            Rows rows = stage.loadSamples(o, r.first + j, r.tile.positions, samples);
            StagedInput.apply(o, stage, samples);
            kernel.sample(stage.operands, rows, c);
        }
    }
}
