package org.batchnorm.cpu.kernel.vector;

import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * The shapes of vectors with which this machine is fast. The sums of a run have {@value #GROUP} lanes whatever the
 * width: one vector of 512 bits, or two or four shorter ones, so that they are the same bits on every machine.
 *
 * <p>Kernels work on vectors by {@code lanewise} with vectors only, not by {@code add} or {@code fma}. Those are
 * methods that all shapes of vectors share, and the JVM keeps with them which shapes it has seen. As soon as these are
 * two, from {@link #HALVES} or from anybody's code, the compiler cannot tell the shape of a sum that a loop carries,
 * and makes objects of all vectors: 10 to 100 times slower for as long as the process lives. {@code lanewise} is each
 * shape's own, and what has been seen is kept with the kernel. There the vector that is asked is the one just loaded or
 * made, never one that the loop carries, of which the compiler knows less.
 */
final class Species {
    /** The lanes of the sum of a run, which may be those of several vectors. */
    static final int GROUP = 16;

    /** The widest vectors that this machine is fast with, of at most {@link #GROUP} floats. */
    static final VectorSpecies<Float> WIDEST = widest();

    /** Those that kernels work with: the widest, unless others are forced. */
    static final VectorSpecies<Float> FLOATS = forced();

    /** The floats of a vector. */
    static final int LANES = FLOATS.length();

    /** Vectors of doubles, as many bits wide. */
    static final VectorSpecies<Double> DOUBLES = FLOATS.withLanes(double.class);

    /** As many floats as {@link #DOUBLES} has doubles, where {@link #HAS_HALVES}. */
    static final VectorSpecies<Float> HALVES =
            VectorSpecies.of(float.class, VectorShape.forBitSize(Math.max(FLOATS.vectorBitSize() / 2, 64)));

    /** Vectors of ints, as many as {@link #FLOATS} has floats. */
    static final VectorSpecies<Integer> INTS = FLOATS.withLanes(int.class);

    /** As many shorts, where {@link #HAS_HALVES}. */
    static final VectorSpecies<Short> SHORTS = HALVES.withLanes(short.class);

    /** Whether {@link #HALVES} are vectors of the machine, not parts of its shortest. */
    static final boolean HAS_HALVES = HALVES.vectorBitSize() >= 128;

    /** Whether the processor has 32 vector registers, not 16: those with vectors of 512 bits do. */
    static final boolean MANY_REGISTERS = LANES >= GROUP;

    private Species() {}

    private static VectorSpecies<Float> widest() {
        VectorSpecies<Float> preferred = FloatVector.SPECIES_PREFERRED;
        return preferred.length() > GROUP ? FloatVector.SPECIES_512 : preferred;
    }

    /** A width of more bits than the widest is reported where the backend is opened. */
    private static VectorSpecies<Float> forced() {
        int bits = VectorBits.forced().orElse(WIDEST.vectorBitSize());
        return bits >= WIDEST.vectorBitSize() ? WIDEST : VectorSpecies.of(float.class, VectorShape.forBitSize(bits));
    }

    /** The end of the whole vectors in the columns {@code from} to {@code to}. */
    static int end(int from, int to) {
        return from + FLOATS.loopBound(to - from);
    }

    /** Floats as doubles. */
    static DoubleVector widen(FloatVector values) {
        return (DoubleVector) values.convertShape(VectorOperators.F2D, DOUBLES, 0);
    }

    /** Doubles, rounded to floats. */
    static FloatVector narrow(DoubleVector values) {
        return (FloatVector) values.convertShape(VectorOperators.D2F, HALVES, 0);
    }
}
