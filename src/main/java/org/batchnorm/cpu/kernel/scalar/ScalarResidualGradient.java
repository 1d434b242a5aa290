package org.batchnorm.cpu.kernel.scalar;

import org.batchnorm.cpu.kernel.Memory;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.ResidualGradient;
import org.batchnorm.cpu.kernel.Tile;

/** {@link ResidualGradient} in plain loops. */
final class ScalarResidualGradient implements ResidualGradient {
    ScalarResidualGradient() {}

    @Override
    public void write(Operands o, long first, int length, Tile scratch) {
        if (o.inArrays() && o.xStart == o.secondStart && o.xStart == o.outStart) {
            int from = (int) (o.xStart + first);
            float[] y = (float[]) o.x;
            ScalarInputs.differentiate(o.output, y, (float[]) o.second, (float[]) o.out, from, from + length);
            return;
        }
        for (int k = 0; k < length; k += Tile.SIZE) {
            int values = Math.min(Tile.SIZE, length - k);
            Memory.read(o.second, o.secondStart + first + k, scratch.b, values);
            if (!o.output.isNone()) {
                Memory.read(o.x, o.xStart + first + k, scratch.a, values);
                ScalarInputs.applyDerivative(o.output, scratch.a, scratch.b, values);
            }
            Memory.write(scratch.b, o.out, o.outStart + first + k, values);
        }
    }
}
