package org.batchnorm.cpu.kernel.scalar;

import org.batchnorm.cpu.kernel.ActivationLoops;
import org.batchnorm.spi.Activation;

/** {@link ActivationLoops} without branches, which would be guessed wrong for every second value. */
final class ScalarActivationLoops implements ActivationLoops {
    private static final int SIGN = 31;

    ScalarActivationLoops() {}

    @Override
    public void applyDerivative(Activation activation, float[] at, float[] gradients, int length) {
        float slope = activation.negativeSlope();
        int nothing = slope == 0 ? 0 : -1;
        for (int i = 0; i < length; i++) {
            int bits = Float.floatToRawIntBits(at[i]);
            // All ones where the value is greater than 0, which its bits are then too; zero elsewhere.
            int positive = (-bits & ~bits) >> SIGN;
            int kept = Float.floatToRawIntBits(gradients[i]) & positive;
            int scaled = Float.floatToRawIntBits(gradients[i] * slope) & ~positive & nothing;
            gradients[i] = Float.intBitsToFloat(kept | scaled);
        }
    }
}
