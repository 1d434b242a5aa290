package org.batchnorm.cpu;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * Loads and stores of the vector kernels, on arrays or on segments.
 *
 * <p>One loop that meets both kinds of memory is up to 1.7 times slower on either. So each kernel class is loaded
 * twice: as it is, for arrays, and as a hidden class with the same code, for segments. To the compiler
 * {@link #onArrays} is a constant in each of the two, and only one of the branches below remains.
 *
 * <p>The class for arrays passes segments on to its copy, and by a branch. Where a call site chooses between the two
 * classes, the compiler, once it knows one of them, compiles the other into the callers as soon as it comes, before it
 * has seen the loops run: with calls for each vector, up to four times slower for as long as the process lives. Where a
 * branch is taken for the first time, the method that has it is profiled anew; so the branch is in the kernel's own
 * method, and compares classes, as {@code instanceof} is compiled to what it was before.
 *
 * <p>Kernels work on vectors by {@code lanewise} with vectors only, not by {@code add} or {@code fma}. Those are
 * methods that all shapes of vectors share, and the JVM keeps with them which shapes it has seen. As soon as these are
 * two, from {@link #HALVES} or from anybody's code, the compiler cannot tell the shape of a sum that a loop carries,
 * and makes objects of all vectors: 10 to 100 times slower for as long as the process lives. {@code lanewise} is each
 * shape's own, and what has been seen is kept with the kernel. There the vector that is asked is the one just loaded or
 * made, never one that the loop carries, of which the compiler knows less.
 */
final class VectorMemory {
    /** The widest vectors that this machine is fast with. */
    static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;

    /** As wide, of doubles. */
    static final VectorSpecies<Double> DOUBLES = FLOATS.withLanes(double.class);

    /** As many floats as {@link #DOUBLES} has doubles, where {@link #HAS_HALVES}. */
    static final VectorSpecies<Float> HALVES =
            VectorSpecies.of(float.class, VectorShape.forBitSize(Math.max(FLOATS.vectorBitSize() / 2, 64)));

    /** Whether {@link #HALVES} are vectors of the machine, not parts of its shortest. */
    static final boolean HAS_HALVES = HALVES.vectorBitSize() >= 128;

    /** Whether the processor has 32 vector registers, not 16: those with vectors of 512 bits do. */
    static final boolean MANY_REGISTERS = FLOATS.length() >= 16;

    /**
     * Whether kernels read what they are about to overwrite. A vector as long as a line of the caches is stored across
     * two lines unless the memory is aligned to lines, which arrays hardly ever are; where those lines are not yet in
     * the first-level cache, such stores take two to three times as long. Reading first brings them in, and made even
     * aligned stores no slower beyond the second-level cache (both measured on an Intel Xeon, family 6, model 207).
     */
    private static final boolean TOUCHES = FLOATS.vectorByteSize() >= 64;

    private static final ByteOrder NATIVE = ByteOrder.nativeOrder();

    private VectorMemory() {}

    /**
     * The copy of a kernel class that works on segments; in the copy itself, which never needs it, one more of its
     * kind.
     */
    static <T> T onSegments(MethodHandles.Lookup asking, Class<T> type) {
        Class<?> kernel = asking.lookupClass();
        try {
            Class<?> copy = onArrays(asking)
                    ? asking.defineHiddenClass(code(kernel), true).lookupClass()
                    : kernel;
            return type.cast(copy.getDeclaredConstructor().newInstance());
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("a second copy of " + kernel.getName() + " cannot be made", e);
        }
    }

    private static byte[] code(Class<?> kernel) {
        String file = kernel.getSimpleName() + ".class";
        try (InputStream code = kernel.getResourceAsStream(file)) {
            if (code == null) {
                throw new IllegalStateException("class file " + file + " cannot be read");
            }
            return code.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException("class file " + file + " cannot be read", e);
        }
    }

    /** Whether the kernel class that asks is the one for arrays. */
    static boolean onArrays(MethodHandles.Lookup asking) {
        return !asking.lookupClass().isHidden();
    }

    /**
     * The vector at {@code start + j}. The sum is one of {@code int}s on arrays: of that one the compiler sees that it
     * does not leave the array while j runs, and checks it once.
     */
    static FloatVector load(boolean onArrays, Object memory, long start, int j) {
        return onArrays
                ? FloatVector.fromArray(FLOATS, (float[]) memory, (int) start + j)
                : FloatVector.fromMemorySegment(FLOATS, (MemorySegment) memory, (start + j) * Float.BYTES, NATIVE);
    }

    /** Writes a vector at {@code start + j}. */
    static void store(boolean onArrays, FloatVector vector, Object memory, long start, int j) {
        if (onArrays) {
            vector.intoArray((float[]) memory, (int) start + j);
        } else {
            vector.intoMemorySegment((MemorySegment) memory, (start + j) * Float.BYTES, NATIVE);
        }
    }

    /**
     * Brings the first line that a store at {@code start + j} changes into the first-level cache, where that pays. The
     * value that it returns means nothing, but must be used, or the compiler leaves the reading out.
     */
    static int touch(boolean onArrays, Object memory, long start, int j) {
        if (!TOUCHES) {
            return 0;
        }
        float old = onArrays
                ? ((float[]) memory)[(int) start + j]
                : ((MemorySegment) memory).get(ValueLayout.JAVA_FLOAT_UNALIGNED, (start + j) * Float.BYTES);
        return Float.floatToRawIntBits(old);
    }

    /** Floats as doubles. */
    static DoubleVector widen(FloatVector values) {
        return (DoubleVector) values.convertShape(VectorOperators.F2D, DOUBLES, 0);
    }

    /** Doubles, rounded to floats. */
    static FloatVector narrow(DoubleVector values) {
        return (FloatVector) values.convertShape(VectorOperators.D2F, HALVES, 0);
    }

    /**
     * The sum of a vector's lanes, always in the same order, which {@link FloatVector#reduceLanes} does not promise:
     * there compiled and interpreted code give different bits. The lanes come in an array, as a vector that is an
     * argument becomes an object wherever the compiler does not inline the call.
     */
    static double total(float[] lanes, int from) {
        return Tile.total(lanes, from, FLOATS.length());
    }

    /**
     * The sum of a compensated sum's lanes: of the vector at {@code from}, and of the one behind it, which holds what
     * rounding took. Where a lane is not finite, nothing is known of what it lost.
     */
    static double compensatedTotal(float[] lanes, int from) {
        double lost = total(lanes, from + FLOATS.length());
        return total(lanes, from) + (Double.isFinite(lost) ? lost : 0);
    }
}
