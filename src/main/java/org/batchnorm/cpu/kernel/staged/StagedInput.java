package org.batchnorm.cpu.kernel.staged;

import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Stage;
import org.batchnorm.cpu.kernel.Tile;
import org.batchnorm.cpu.kernel.scalar.ScalarInputs;

/** The activation before batch norm, applied to staged pieces in plain loops where kernels leave it to that. */
final class StagedInput {
    private StagedInput() {}

    /** The stage of a thread, for operands. */
    static Stage of(Operands o, Kernels kernels, Tile tile) {
        Stage stage = tile.stage().of(o, kernels.conversions());
        if (StagedKernels.liftsInput(kernels, o)) {
            stage.liftInput();
        }
        return stage;
    }

    /** {@code x = input(x)} of the lines that were loaded; kept for a gradient, which takes the place of x. */
    static void apply(Operands o, Stage stage, int lines) {
        if (stage.isInputLifted()) {
            ScalarInputs.apply(o.input, (float[]) stage.operands.x, stage.values(lines));
            if (isGradient(o)) {
                stage.keepX(lines);
            }
        }
    }

    /** {@code dx = dx · input′(x)}. */
    static void applyDerivative(Operands o, Stage stage, int lines) {
        if (stage.isInputLifted() && isGradient(o)) {
            ScalarInputs.applyDerivative(o.input, stage.keptX(), (float[]) stage.operands.out, stage.values(lines));
        }
    }

    private static boolean isGradient(Operands o) {
        return o.hasSecond() && !o.hasResidual();
    }
}
