package org.batchnorm.cpu.kernel.vector;

import org.batchnorm.cpu.kernel.Operands;

/**
 * What a copy of a kernel class is compiled for. To the compiler these are constants, so that of every branch on them
 * one side remains.
 *
 * @param inArrays whether all tensors are in arrays; else in segments
 * @param inNative whether all are in native memory. Code that has met several kinds of segments is slow on each; so all
 *     the others, and mixtures, have a copy of their own
 * @param hasSecond whether there is a second input, dy
 */
record Variant(boolean inArrays, boolean inNative, boolean hasSecond) {
    private static final int KINDS = 3;

    /** The number of {@link #OF_CLASS}. */
    static final int NUMBER_OF_CLASS = 0;

    /** The one for which a kernel class is compiled as it is: the commonest. */
    static final Variant OF_CLASS = of(NUMBER_OF_CLASS);

    /** How many there are. */
    static int count() {
        return 2 * KINDS;
    }

    /** The variant of a number less than {@link #count()}. */
    static Variant of(int number) {
        return new Variant(number % KINDS == 0, number % KINDS == 1, number >= KINDS);
    }

    /** The number of the variant that operands need. */
    static int numberOf(Operands operands) {
        int kind = operands.inArrays() ? 0 : operands.inNative() ? 1 : 2;
        return kind + (operands.hasSecond() ? KINDS : 0);
    }
}
