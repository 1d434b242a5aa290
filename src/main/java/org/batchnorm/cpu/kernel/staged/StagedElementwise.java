package org.batchnorm.cpu.kernel.staged;

import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Elementwise;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Runs;
import org.batchnorm.cpu.kernel.Stage;

/** {@link Elementwise} of staged pieces. A piece is loaded before it is stored: the output may be an input. */
final class StagedElementwise implements Elementwise {
    private final Kernels kernels;

    /**
     * A map.
     *
     * @param kernels those that map the pieces
     */
    StagedElementwise(Kernels kernels) {
        this.kernels = kernels;
    }

    @Override
    public void rows(Operands o, Rows r, Coefficients c) {
        Elementwise unstaged = kernels.unstagedRows(o);
        if (unstaged != null) {
            unstaged.rows(o, r, c);
            return;
        }
        Stage stage = StagedInput.of(o, kernels, r.tile);
        Elementwise kernel = kernels.elementwise(stage.operands);
        int piece = piece(o);
        for (int j = r.from; j < r.to; j += Stage.COLUMNS) {
            int atOnce = stage.columns(r, j, Math.min(j + Stage.COLUMNS, r.to), 1, piece);
            for (long i = 0; i < r.count; i += atOnce) {
                int count = (int) Math.min(atOnce, r.count - i);
                Rows rows = stage.loadRows(o, r, i, count);
                StagedInput.apply(o, stage, count);
                kernel.rows(stage.operands, rows, c);
                StagedInput.applyDerivative(o, stage, count);
                stage.store(o, r.first + i * r.width + j, count);
            }
        }
    }

    @Override
    public void runs(Operands o, Runs r, Coefficients c) {
        Stage stage = StagedInput.of(o, kernels, r.tile);
        Elementwise kernel = kernels.elementwise(stage.operands);
        int piece = piece(o);
        int atOnce = Stage.channels(r, 1, piece);
        for (long i = 0; i < r.images; i++) {
            for (int channel = r.from; channel < r.to; channel += atOnce) {
                long run = r.first + i * r.imageApart + (channel - r.from) * r.channelApart;
                int end = Math.min(channel + atOnce, r.to);
                for (int j = 0; j < r.length; j += piece) {
                    stage.channels(r, channel, end, Math.min(piece, r.length - j));
                    Runs runs = stage.loadRuns(o, run + j, 1);
                    StagedInput.apply(o, stage, 1);
                    kernel.runs(stage.operands, runs, c);
                    StagedInput.applyDerivative(o, stage, 1);
                    stage.store(o, run + j, 1);
                }
            }
        }
    }

    /** Two inputs share the first-level cache. */
    private static int piece(Operands o) {
        return o.hasSecond() ? Stage.LARGE_PIECE / 2 : Stage.LARGE_PIECE;
    }
}
