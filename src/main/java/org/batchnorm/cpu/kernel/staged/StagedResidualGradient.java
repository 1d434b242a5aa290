package org.batchnorm.cpu.kernel.staged;

import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.ResidualGradient;
import org.batchnorm.cpu.kernel.Stage;
import org.batchnorm.cpu.kernel.Tile;

/** {@link ResidualGradient} of staged pieces. */
final class StagedResidualGradient implements ResidualGradient {
    private final Kernels kernels;

    /**
     * A gradient.
     *
     * @param kernels those that work on the pieces
     */
    StagedResidualGradient(Kernels kernels) {
        this.kernels = kernels;
    }

    @Override
    public void write(Operands o, long first, int length, Tile scratch) {
        Stage stage = scratch.stage().of(o, kernels.conversions());
        ResidualGradient kernel = kernels.residualGradient(stage.operands);
        for (int k = 0; k < length; k += Stage.PIECE) {
            int values = Math.min(Stage.PIECE, length - k);
            kernel.write(stage.loadValues(o, first + k, values), 0, values, scratch);
            stage.store(o, first + k, 1);
        }
    }
}
