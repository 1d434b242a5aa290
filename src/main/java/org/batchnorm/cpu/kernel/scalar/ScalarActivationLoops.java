package org.batchnorm.cpu.kernel.scalar;

import org.batchnorm.cpu.kernel.ActivationLoops;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Fusion;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Runs;
import org.batchnorm.spi.Activation;

/** {@link ActivationLoops} without branches, which would be guessed wrong for every second value. */
final class ScalarActivationLoops implements ActivationLoops {
    private static final int SIGN = 31;

    ScalarActivationLoops() {}

    @Override
    public void apply(Activation activation, float[] values, int from, int length) {
        float slope = activation.negativeSlope();
        int to = from + length;
        if (slope == 0) {
            for (int i = from; i < to; i++) {
                values[i] = Math.max(values[i], 0);
            }
        } else if (slope <= 1) {
            for (int i = from; i < to; i++) {
                values[i] = Math.max(values[i], slope * values[i]);
            }
        } else {
            for (int i = from; i < to; i++) {
                values[i] = Math.min(values[i], slope * values[i]);
            }
        }
    }

    @Override
    public void applyDerivative(
            Activation activation, float[] at, int atFrom, float[] gradients, int from, int length) {
        float slope = activation.negativeSlope();
        for (int i = 0; i < length; i++) {
            gradients[from + i] = gradient(at[atFrom + i], gradients[from + i], slope);
        }
    }

    @Override
    public void gradients(Operands o, Fusion fusion, Rows r, float[] into) {
        Coefficients c = fusion.forwardCoefficients();
        float slope = fusion.output().negativeSlope();
        float[] x = (float[]) o.x;
        float[] dy = (float[]) o.second;
        for (int i = 0; i < r.count; i++) {
            int row = i * r.width;
            int xAt = (int) (o.xStart + r.first) + row;
            int dyAt = (int) (o.secondStart + r.first) + row;
            for (int j = r.from; j < r.to; j++) {
                float z = (x[xAt + j] - c.centre[j]) * c.scale[j] + c.offset[j];
                into[row + j] = gradient(z, dy[dyAt + j], slope);
            }
        }
    }

    @Override
    public void gradients(Operands o, Fusion fusion, Runs r, float[] into) {
        Coefficients c = fusion.forwardCoefficients();
        float slope = fusion.output().negativeSlope();
        float centre = c.centre[r.from];
        float scale = c.scale[r.from];
        float offset = c.offset[r.from];
        float[] x = (float[]) o.x;
        float[] dy = (float[]) o.second;
        int xAt = (int) (o.xStart + r.first);
        int dyAt = (int) (o.secondStart + r.first);
        for (int j = 0; j < r.length; j++) {
            into[j] = gradient((x[xAt + j] - centre) * scale + offset, dy[dyAt + j], slope);
        }
    }

    private static float gradient(float z, float dy, float slope) {
        int bits = Float.floatToRawIntBits(z);
        // All ones where the value is greater than 0, which its bits are then too; zero elsewhere.
        int positive = (-bits & ~bits) >> SIGN;
        int scaled = slope == 0 ? 0 : Float.floatToRawIntBits(dy * slope);
        return Float.intBitsToFloat((Float.floatToRawIntBits(dy) & positive) | (scaled & ~positive));
    }
}
