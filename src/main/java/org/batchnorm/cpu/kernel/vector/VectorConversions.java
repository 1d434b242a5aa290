package org.batchnorm.cpu.kernel.vector;

import static org.batchnorm.cpu.kernel.vector.Species.FLOATS;
import static org.batchnorm.cpu.kernel.vector.Species.LANES;

import jdk.incubator.vector.FloatVector;
import org.batchnorm.cpu.kernel.Conversions;

/** {@link Conversions} on the Vector API, for bfloat16, where {@link Species#HAS_HALVES}. */
final class VectorConversions extends Conversions {
    VectorConversions() {}

    @Override
    protected void widenBfloat16(short[] from, int fromAt, float[] to, int toAt, int length) {
        int end = FLOATS.loopBound(length);
        for (int i = 0; i < end; i += LANES) {
            Bfloat16Access.load(from, fromAt, i).intoArray(to, toAt + i);
        }
        super.widenBfloat16(from, fromAt + end, to, toAt + end, length - end);
    }

    @Override
    protected void narrowBfloat16(float[] from, int fromAt, short[] to, int toAt, int length, int[] scratch) {
        int end = FLOATS.loopBound(length);
        for (int i = 0; i < end; i += LANES) {
            Bfloat16Access.store(Bfloat16Access.narrow(FloatVector.fromArray(FLOATS, from, fromAt + i)), to, toAt, i);
        }
        super.narrowBfloat16(from, fromAt + end, to, toAt + end, length - end, scratch);
    }
}
