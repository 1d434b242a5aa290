package org.batchnorm.cpu.kernel.vector;

import static jdk.incubator.vector.VectorOperators.ADD;
import static jdk.incubator.vector.VectorOperators.AND;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.NE;
import static jdk.incubator.vector.VectorOperators.OR;
import static org.batchnorm.cpu.kernel.vector.Species.FLOATS;
import static org.batchnorm.cpu.kernel.vector.Species.INTS;
import static org.batchnorm.cpu.kernel.vector.Species.LANES;
import static org.batchnorm.cpu.kernel.vector.Species.SHORTS;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import org.batchnorm.cpu.kernel.Conversions;

/** {@link Conversions} on the Vector API, for bfloat16, where {@link Species#HAS_HALVES}. */
final class VectorConversions extends Conversions {
    private static final int QUIET = 0x40_0000;
    private static final int BELOW_HALF_A_UNIT = 0x7fff;

    VectorConversions() {}

    @Override
    protected void widenBfloat16(short[] from, int fromAt, float[] to, int toAt, int length) {
        int end = FLOATS.loopBound(length);
        IntVector half = IntVector.broadcast(INTS, Short.SIZE);
        for (int i = 0; i < end; i += LANES) {
            ShortVector bits = ShortVector.fromArray(SHORTS, from, fromAt + i);
            IntVector upper = (IntVector) bits.convertShape(VectorOperators.S2I, INTS, 0);
            upper.lanewise(LSHL, half).reinterpretAsFloats().intoArray(to, toAt + i);
        }
        super.widenBfloat16(from, fromAt + end, to, toAt + end, length - end);
    }

    @Override
    protected void narrowBfloat16(float[] from, int fromAt, short[] to, int toAt, int length, int[] scratch) {
        int end = FLOATS.loopBound(length);
        IntVector half = IntVector.broadcast(INTS, Short.SIZE);
        IntVector one = IntVector.broadcast(INTS, 1);
        IntVector belowHalf = IntVector.broadcast(INTS, BELOW_HALF_A_UNIT);
        IntVector quiet = IntVector.broadcast(INTS, QUIET);
        for (int i = 0; i < end; i += LANES) {
            FloatVector value = FloatVector.fromArray(FLOATS, from, fromAt + i);
            IntVector bits = value.reinterpretAsInts();
            IntVector odd = bits.lanewise(LSHR, half).lanewise(AND, one);
            IntVector rounded = bits.lanewise(ADD, belowHalf).lanewise(ADD, odd);
            VectorMask<Integer> nan = value.compare(NE, value).cast(INTS);
            IntVector all = rounded.blend(bits.lanewise(OR, quiet), nan).lanewise(LSHR, half);
            ((ShortVector) all.convertShape(VectorOperators.I2S, SHORTS, 0)).intoArray(to, toAt + i);
        }
        super.narrowBfloat16(from, fromAt + end, to, toAt + end, length - end, scratch);
    }
}
