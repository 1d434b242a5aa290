package org.batchnorm.cpu.kernel;

import org.batchnorm.spi.Activation;

/** Activations of arrays. */
public interface ActivationLoops {

    /** {@code values = act(values)}, in loops without branches, of which the compiler makes vector code. */
    static void apply(Activation activation, float[] values, int length) {
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

    /**
     * {@code gradients = gradients · act′(at)}.
     *
     * @param at the values that the activation was applied to, or its results, which have the same signs
     */
    void applyDerivative(Activation activation, float[] at, float[] gradients, int length);
}
