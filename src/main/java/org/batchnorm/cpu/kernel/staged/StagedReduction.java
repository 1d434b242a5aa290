package org.batchnorm.cpu.kernel.staged;

import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.ColumnSums;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Reduction;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Runs;
import org.batchnorm.cpu.kernel.Stage;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.cpu.kernel.Tile;

/**
 * {@link Reduction} of staged pieces. These are whole strips of rows, or whole runs, so that the sums are added up as
 * of tensors that are not cut into pieces.
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

    /** Pieces stay in the caches, which need no streams. */
    @Override
    public int streams(boolean cached, int width) {
        return 1;
    }

    @Override
    public void rows(Operands o, Rows r, Coefficients c, ColumnSums s) {
        Reduction kernel = kernels.reduction(o);
        Stage stage = r.tile.stage().of(o, kernels.conversions());
        int strip = CutPolicy.STRIP_ROWS * Tile.rowsTogether(r);
        for (int j = r.from; j < r.to; j += Stage.COLUMNS) {
            int atOnce = stage.columns(r, j, Math.min(j + Stage.COLUMNS, r.to), strip);
            for (long i = 0; i < r.count; i += atOnce) {
                int count = (int) Math.min(atOnce, r.count - i);
                kernel.rows(stage.operands, stage.loadRows(o, r.first + i * r.width + j, count), c, s);
            }
        }
    }

    @Override
    public void runs(Operands o, Runs r, Coefficients c, Sums s) {
        Reduction kernel = kernels.reduction(o);
        Stage stage = r.tile.stage().of(o, kernels.conversions());
        int atOnce = Stage.channels(r, r.images);
        for (int channel = r.from; channel < r.to; channel += atOnce) {
            stage.channels(r, channel, Math.min(channel + atOnce, r.to), r.length);
            long first = r.first + (channel - r.from) * r.channelApart;
            kernel.runs(stage.operands, stage.loadRuns(o, first, (int) r.images), c, s);
        }
    }

    @Override
    public void sample(Operands o, Rows r, Coefficients c) {
        Reduction kernel = kernels.sampling(o, rare);
        Stage stage = r.tile.stage().of(o, kernels.conversions());
        int samples = (int) r.count;
        for (int j = r.from; j < r.to; j += Stage.COLUMNS) {
            stage.columns(r, j, Math.min(j + Stage.COLUMNS, r.to), samples);
            kernel.sample(stage.operands, stage.loadSamples(o, r.first + j, r.tile.positions, samples), c);
        }
    }
}
