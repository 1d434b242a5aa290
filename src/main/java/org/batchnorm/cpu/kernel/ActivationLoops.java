package org.batchnorm.cpu.kernel;

import org.batchnorm.spi.Activation;

/** Activations and their derivatives, of arrays. */
public interface ActivationLoops {

    /** {@code values = act(values)}, of {@code length} values from {@code from} on. */
    void apply(Activation activation, float[] values, int from, int length);

    /**
     * {@code gradients = gradients · act′(at)}, of so many values.
     *
     * @param at the values that the activation was applied to, or its results, which have the same signs
     */
    void applyDerivative(Activation activation, float[] at, int atFrom, float[] gradients, int from, int length);

    /**
     * What comes to batch normalization from behind it, {@code into = dy · output′(BN(x))}.
     *
     * @param o x, as batch normalization has it, and dy; in arrays
     * @param rows those of x and dy; the first one stands at the beginning of {@code into}
     */
    void gradients(Operands o, Fusion fusion, Rows rows, float[] into);

    /**
     * The same for a run.
     *
     * @param run of one image and channel
     */
    void gradients(Operands o, Fusion fusion, Runs run, float[] into);
}
