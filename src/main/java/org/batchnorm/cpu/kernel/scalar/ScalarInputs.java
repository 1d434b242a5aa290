package org.batchnorm.cpu.kernel.scalar;

import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Memory;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Tile;
import org.batchnorm.spi.Activation;

/**
 * Copies pieces of the inputs into a {@link Tile}, as batch norm has them: behind the activation before it, and the
 * gradients before the activation after it. Loops without branches, of which every second one would be guessed wrong.
 */
public final class ScalarInputs {
    private static final int SIGN = 31;

    /** The bits behind those of Infinity, the first that mean NaN. */
    private static final int NAN = 0x7f80_0001;

    private ScalarInputs() {}

    /** Copies {@code input(x)}, or z where that is made of y. */
    static void readX(Operands o, long position, float[] into, int length) {
        Memory.read(o.x, o.xStart + position, into, length);
        if (o.undoesOutput()) {
            undo(o.output, into, length);
        } else {
            apply(o.input, into, length);
        }
    }

    /**
     * Copies {@code input(x)}, or z, and {@code dy · output′(z)}.
     *
     * @param ofForward in, the coefficients of each value of the piece, where z is needed
     */
    static void readBoth(Operands o, long position, float[] x, float[] dy, Coefficients ofForward, int length) {
        readX(o, position, x, length);
        Memory.read(o.second, o.secondStart + position, dy, length);
        if (o.undoesOutput()) {
            applyDerivative(o.output, x, dy, length);
        } else if (!o.output.isNone()) {
            float slope = o.output.negativeSlope();
            float[] centre = ofForward.centre;
            float[] scale = ofForward.scale;
            float[] offset = ofForward.offset;
            for (int j = 0; j < length; j++) {
                dy[j] = gradient(ScalarElementwise.transform(x[j], centre[j], scale[j], offset[j]), dy[j], slope);
            }
        }
    }

    /** {@code values = act(values)}. */
    public static void apply(Activation activation, float[] values, int length) {
        float slope = activation.negativeSlope();
        if (slope == 0) {
            for (int i = 0; i < length; i++) {
                values[i] = Math.max(values[i], 0);
            }
        } else if (slope < 1) {
            for (int i = 0; i < length; i++) {
                values[i] = Math.max(values[i], slope * values[i]);
            }
        } else if (slope > 1) {
            for (int i = 0; i < length; i++) {
                values[i] = Math.min(values[i], slope * values[i]);
            }
        }
    }

    /** What the activation was given, of what it gave. */
    private static void undo(Activation activation, float[] values, int length) {
        float slope = activation.negativeSlope();
        if (slope < 1) {
            for (int i = 0; i < length; i++) {
                values[i] = Math.min(values[i], values[i] / slope);
            }
        } else {
            for (int i = 0; i < length; i++) {
                values[i] = Math.max(values[i], values[i] / slope);
            }
        }
    }

    /** {@code gradients = gradients · act′(at)}; the results of the activation have the signs of what it was given. */
    public static void applyDerivative(Activation activation, float[] at, float[] gradients, int length) {
        float slope = activation.negativeSlope();
        for (int i = 0; i < length; i++) {
            gradients[i] = gradient(at[i], gradients[i], slope);
        }
    }

    /** {@code out[i] = gradients[i] · act′(at[i])}, from one position to another of arrays that may be the same. */
    static void differentiate(Activation activation, float[] at, float[] gradients, float[] out, int from, int to) {
        float slope = activation.negativeSlope();
        for (int i = from; i < to; i++) {
            out[i] = gradient(at[i], gradients[i], slope);
        }
    }

    private static float gradient(float at, float gradient, float slope) {
        int bits = Float.floatToRawIntBits(at);
        // All ones where the value is greater than 0, and not NaN: where its bits are from 1 to those of Infinity.
        int positive = (-bits & ~bits & (bits - NAN)) >> SIGN;
        int scaled = slope == 0 ? 0 : Float.floatToRawIntBits(gradient * slope);
        return Float.intBitsToFloat((Float.floatToRawIntBits(gradient) & positive) | (scaled & ~positive));
    }
}
