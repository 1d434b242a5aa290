package org.batchnorm.cpu.kernel.vector;

import static jdk.incubator.vector.VectorOperators.ADD;
import static jdk.incubator.vector.VectorOperators.AND;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.NE;
import static jdk.incubator.vector.VectorOperators.OR;
import static org.batchnorm.cpu.kernel.vector.Species.INTS;
import static org.batchnorm.cpu.kernel.vector.Species.SHORTS;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/**
 * {@link Access} to bfloat16, where {@link Species#HAS_HALVES}. No method calls another with a vector: where that call
 * is rare, the compiler does not inline it, and every vector is an object.
 */
final class Bfloat16Access {
    private static final ByteOrder NATIVE = ByteOrder.nativeOrder();
    private static final int QUIET = 0x40_0000;
    private static final int BELOW_HALF_A_UNIT = 0x7fff;

    private Bfloat16Access() {}

    /** The vector at {@code start + j}. */
    static FloatVector load(short[] memory, long start, int j) {
        IntVector half = IntVector.broadcast(INTS, Short.SIZE);
        ShortVector bits = ShortVector.fromArray(SHORTS, memory, (int) start + j);
        IntVector upper = (IntVector) bits.convertShape(VectorOperators.S2I, INTS, 0);
        return upper.lanewise(LSHL, half).reinterpretAsFloats();
    }

    /** The vector at {@code start + j}. */
    static FloatVector load(MemorySegment memory, long start, int j) {
        IntVector half = IntVector.broadcast(INTS, Short.SIZE);
        ShortVector bits = ShortVector.fromMemorySegment(SHORTS, memory, (start + j) * Short.BYTES, NATIVE);
        IntVector upper = (IntVector) bits.convertShape(VectorOperators.S2I, INTS, 0);
        return upper.lanewise(LSHL, half).reinterpretAsFloats();
    }

    /** The upper halves of floats, rounded. */
    static ShortVector narrow(FloatVector value) {
        IntVector half = IntVector.broadcast(INTS, Short.SIZE);
        IntVector bits = value.reinterpretAsInts();
        IntVector odd = bits.lanewise(LSHR, half).lanewise(AND, IntVector.broadcast(INTS, 1));
        IntVector rounded =
                bits.lanewise(ADD, IntVector.broadcast(INTS, BELOW_HALF_A_UNIT)).lanewise(ADD, odd);
        IntVector quiet = bits.lanewise(OR, IntVector.broadcast(INTS, QUIET));
        IntVector all =
                rounded.blend(quiet, value.compare(NE, value).cast(INTS)).lanewise(LSHR, half);
        return (ShortVector) all.convertShape(VectorOperators.I2S, SHORTS, 0);
    }

    /** Writes a vector at {@code start + j}. */
    static void store(ShortVector bits, short[] memory, long start, int j) {
        bits.intoArray(memory, (int) start + j);
    }

    /** Writes a vector at {@code start + j}. */
    static void store(ShortVector bits, MemorySegment memory, long start, int j) {
        bits.intoMemorySegment(memory, (start + j) * Short.BYTES, NATIVE);
    }
}
