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
        Elementwise kernel = kernels.elementwise(o);
        Stage stage = r.tile.stage().of(o, kernels.conversions());
        for (int j = r.from; j < r.to; j += Stage.COLUMNS) {
            int atOnce = stage.columns(r, j, Math.min(j + Stage.COLUMNS, r.to), 1);
            for (long i = 0; i < r.count; i += atOnce) {
                long position = r.first + i * r.width + j;
                int count = (int) Math.min(atOnce, r.count - i);
                kernel.rows(stage.operands, stage.loadRows(o, position, count), c);
                stage.store(o, position, count);
            }
        }
    }

    @Override
    public void runs(Operands o, Runs r, Coefficients c) {
        Elementwise kernel = kernels.elementwise(o);
        Stage stage = r.tile.stage().of(o, kernels.conversions());
        int atOnce = Stage.channels(r, 1);
        for (long i = 0; i < r.images; i++) {
            for (int channel = r.from; channel < r.to; channel += atOnce) {
                long run = r.first + i * r.imageApart + (channel - r.from) * r.channelApart;
                int end = Math.min(channel + atOnce, r.to);
                for (int j = 0; j < r.length; j += Stage.PIECE) {
                    stage.channels(r, channel, end, Math.min(Stage.PIECE, r.length - j));
                    kernel.runs(stage.operands, stage.loadRuns(o, run + j, 1), c);
                    stage.store(o, run + j, 1);
                }
            }
        }
    }
}
