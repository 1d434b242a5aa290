package org.batchnorm.cpu.kernel.vector;

import org.batchnorm.cpu.kernel.Operands;

/**
 * What a copy of a kernel class is compiled for. To the compiler these are constants, so that of every branch on them
 * one side remains.
 *
 * @param inArrays whether all tensors are in arrays; else in segments
 * @param inNative whether all are in native memory. Code that has met several kinds of segments is slow on each; so all
 *     the others, and mixtures, have a copy of their own
 * @param hasSecond whether there is a second input, dy or a residual
 * @param hasResidual whether that is a residual
 * @param input the activation before batch norm
 * @param output the activation after it
 * @param bfloat16 whether all are of that type; else float32. These have no activations and no residual
 */
record Variant(
        boolean inArrays,
        boolean inNative,
        boolean hasSecond,
        boolean hasResidual,
        VectorActivation input,
        VectorActivation output,
        boolean bfloat16) {
    private static final int KINDS = 3;
    private static final int RESIDUAL = 2 * KINDS;
    private static final int WITHOUT_ACTIVATION = 3 * KINDS;
    private static final VectorActivation[] ACTIVATIONS = {
        VectorActivation.NONE, VectorActivation.RELU, VectorActivation.LEAKY
    };
    private static final int FLOAT32 = WITHOUT_ACTIVATION * ACTIVATIONS.length * ACTIVATIONS.length;

    /** From here on, those that undo an activation: with x, which is y, and dy. */
    private static final int UNDOING = FLOAT32 + RESIDUAL;

    /** The number of {@link #OF_CLASS}. */
    static final int NUMBER_OF_CLASS = 0;

    /** The one for which a kernel class is compiled as it is: the commonest. */
    static final Variant OF_CLASS = of(NUMBER_OF_CLASS);

    /** Whether there is an activation before or after batch norm. */
    boolean hasActivations() {
        return input != VectorActivation.NONE || output != VectorActivation.NONE;
    }

    /** How many there are. */
    static int count() {
        return UNDOING + KINDS;
    }

    /** The variant of a number less than {@link #count()}. */
    static Variant of(int number) {
        int kind = number % KINDS;
        if (number >= UNDOING) {
            return new Variant(
                    kind == 0, kind == 1, true, false, VectorActivation.UNDOING, VectorActivation.UNDONE, false);
        }
        boolean bfloat16 = number >= FLOAT32;
        int activations = bfloat16 ? 0 : number / WITHOUT_ACTIVATION;
        return new Variant(
                kind == 0,
                kind == 1,
                number % WITHOUT_ACTIVATION >= KINDS,
                number % WITHOUT_ACTIVATION >= RESIDUAL,
                ACTIVATIONS[activations % ACTIVATIONS.length],
                ACTIVATIONS[activations / ACTIVATIONS.length],
                bfloat16);
    }

    /** The number of the variant that operands need. */
    static int numberOf(Operands operands) {
        int kind = operands.inArrays() ? 0 : operands.inNative() ? 1 : 2;
        if (operands.undoesOutput()) {
            return UNDOING + kind;
        }
        int activations = VectorActivation.of(operands.input).number
                + VectorActivation.of(operands.output).number * ACTIVATIONS.length;
        int inputs = operands.hasResidual() ? RESIDUAL : operands.hasSecond() ? KINDS : 0;
        return kind + inputs + activations * WITHOUT_ACTIVATION;
    }

    /** The number of the variant for operands of bfloat16 that are not staged. */
    static int numberOfBfloat16(Operands operands) {
        int kind = operands.inOwnArrays() ? 0 : operands.inNative() ? 1 : 2;
        return FLOAT32 + kind + (operands.hasSecond() ? KINDS : 0);
    }
}
