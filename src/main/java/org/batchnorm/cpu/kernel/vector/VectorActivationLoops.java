package org.batchnorm.cpu.kernel.vector;

import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.MUL;
import static org.batchnorm.cpu.kernel.vector.Species.FLOATS;
import static org.batchnorm.cpu.kernel.vector.Species.LANES;

import jdk.incubator.vector.FloatVector;
import org.batchnorm.cpu.kernel.ActivationLoops;
import org.batchnorm.spi.Activation;

/** {@link ActivationLoops} on the Vector API. */
final class VectorActivationLoops implements ActivationLoops {
    VectorActivationLoops() {}

    @Override
    public void applyDerivative(Activation activation, float[] at, float[] gradients, int length) {
        float slope = activation.negativeSlope();
        boolean scales = slope != 0;
        FloatVector zero = FloatVector.zero(FLOATS);
        FloatVector slopes = FloatVector.broadcast(FLOATS, slope);
        int end = Species.end(0, length);
        for (int i = 0; i < end; i += LANES) {
            FloatVector gradient = FloatVector.fromArray(FLOATS, gradients, i);
            FloatVector scaled = scales ? gradient.lanewise(MUL, slopes) : zero;
            scaled.blend(gradient, FloatVector.fromArray(FLOATS, at, i).compare(GT, zero))
                    .intoArray(gradients, i);
        }
        for (int i = end; i < length; i++) {
            if (!(at[i] > 0)) {
                gradients[i] = scales ? gradients[i] * slope : 0;
            }
        }
    }
}
