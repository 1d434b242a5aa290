package org.batchnorm.cpu.kernel.vector;

import org.batchnorm.cpu.kernel.Operands;

/**
 * What a copy of a kernel class is compiled for. To the compiler these are constants, so that of every branch on them
 * one side remains.
 *
 * @param inArrays whether all tensors are in arrays; else in segments
 * @param hasSecond whether there is a second input, dy
 */
record Variant(boolean inArrays, boolean hasSecond) {
    private static final int COUNT = 4;

    /** The number of {@link #OF_CLASS}. */
    static final int NUMBER_OF_CLASS = 0;

    /** The one for which a kernel class is compiled as it is: the commonest. */
    static final Variant OF_CLASS = of(NUMBER_OF_CLASS);

    /** How many there are. */
    static int count() {
        return COUNT;
    }

    /** The variant of a number less than {@link #count()}. */
    static Variant of(int number) {
        return new Variant((number & 1) == 0, (number & 2) != 0);
    }

    /** The number of the variant that operands need. */
    static int numberOf(Operands operands) {
        return (operands.inArrays() ? 0 : 1) + (operands.hasSecond() ? 2 : 0);
    }
}
