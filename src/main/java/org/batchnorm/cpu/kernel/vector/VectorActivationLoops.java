package org.batchnorm.cpu.kernel.vector;

import static jdk.incubator.vector.VectorOperators.FMA;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.MAX;
import static jdk.incubator.vector.VectorOperators.MUL;
import static jdk.incubator.vector.VectorOperators.SUB;
import static org.batchnorm.cpu.kernel.vector.Species.FLOATS;
import static org.batchnorm.cpu.kernel.vector.Species.LANES;

import jdk.incubator.vector.FloatVector;
import org.batchnorm.cpu.kernel.ActivationLoops;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Fusion;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Runs;
import org.batchnorm.spi.Activation;

/** {@link ActivationLoops} on the Vector API. */
final class VectorActivationLoops implements ActivationLoops {
    VectorActivationLoops() {}

    @Override
    public void apply(Activation activation, float[] values, int from, int length) {
        float slope = activation.negativeSlope();
        FloatVector zero = FloatVector.zero(FLOATS);
        FloatVector slopes = FloatVector.broadcast(FLOATS, slope);
        int end = Species.end(from, from + length);
        for (int i = from; i < end; i += LANES) {
            FloatVector v = FloatVector.fromArray(FLOATS, values, i);
            FloatVector low = slope == 0 ? v.lanewise(MAX, zero) : v.lanewise(MUL, slopes);
            low.blend(v, v.compare(GT, zero)).intoArray(values, i);
        }
        for (int i = end; i < from + length; i++) {
            values[i] = activation.of(values[i]);
        }
    }

    @Override
    public void applyDerivative(
            Activation activation, float[] at, int atFrom, float[] gradients, int from, int length) {
        float slope = activation.negativeSlope();
        FloatVector zero = FloatVector.zero(FLOATS);
        FloatVector slopes = FloatVector.broadcast(FLOATS, slope);
        int end = Species.end(0, length);
        for (int i = 0; i < end; i += LANES) {
            FloatVector gradient = FloatVector.fromArray(FLOATS, gradients, from + i);
            FloatVector scaled = slope == 0 ? zero : gradient.lanewise(MUL, slopes);
            scaled.blend(gradient, FloatVector.fromArray(FLOATS, at, atFrom + i).compare(GT, zero))
                    .intoArray(gradients, from + i);
        }
        for (int i = end; i < length; i++) {
            gradients[from + i] = gradient(at[atFrom + i], gradients[from + i], slope);
        }
    }

    @Override
    public void gradients(Operands o, Fusion fusion, Rows r, float[] into) {
        Coefficients c = fusion.forwardCoefficients();
        float slope = fusion.output().negativeSlope();
        float[] x = (float[]) o.x;
        float[] dy = (float[]) o.second;
        int width = r.width;
        int rows = (int) r.count;
        int xStart = (int) (o.xStart + r.first);
        int dyStart = (int) (o.secondStart + r.first);
        FloatVector zero = FloatVector.zero(FLOATS);
        FloatVector slopes = FloatVector.broadcast(FLOATS, slope);
        int end = Species.end(r.from, r.to);
        for (int i = 0; i < rows; i++) {
            int row = i * width;
            int xAt = xStart + row;
            int dyAt = dyStart + row;
            for (int j = r.from; j < end; j += LANES) {
                FloatVector z = FloatVector.fromArray(FLOATS, x, xAt + j)
                        .lanewise(SUB, FloatVector.fromArray(FLOATS, c.centre, j))
                        .lanewise(
                                FMA,
                                FloatVector.fromArray(FLOATS, c.scale, j),
                                FloatVector.fromArray(FLOATS, c.offset, j));
                FloatVector gradient = FloatVector.fromArray(FLOATS, dy, dyAt + j);
                FloatVector scaled = slope == 0 ? zero : gradient.lanewise(MUL, slopes);
                scaled.blend(gradient, z.compare(GT, zero)).intoArray(into, row + j);
            }
            for (int j = end; j < r.to; j++) {
                float z = Math.fma(x[xAt + j] - c.centre[j], c.scale[j], c.offset[j]);
                into[row + j] = gradient(z, dy[dyAt + j], slope);
            }
        }
    }

    @Override
    public void gradients(Operands o, Fusion fusion, Runs r, float[] into) {
        Coefficients c = fusion.forwardCoefficients();
        int channel = r.from;
        float slope = fusion.output().negativeSlope();
        float[] x = (float[]) o.x;
        float[] dy = (float[]) o.second;
        int xAt = (int) (o.xStart + r.first);
        int dyAt = (int) (o.secondStart + r.first);
        FloatVector zero = FloatVector.zero(FLOATS);
        FloatVector slopes = FloatVector.broadcast(FLOATS, slope);
        FloatVector centre = FloatVector.broadcast(FLOATS, c.centre[channel]);
        FloatVector scale = FloatVector.broadcast(FLOATS, c.scale[channel]);
        FloatVector offset = FloatVector.broadcast(FLOATS, c.offset[channel]);
        int end = Species.end(0, r.length);
        for (int j = 0; j < end; j += LANES) {
            FloatVector z = FloatVector.fromArray(FLOATS, x, xAt + j)
                    .lanewise(SUB, centre)
                    .lanewise(FMA, scale, offset);
            FloatVector gradient = FloatVector.fromArray(FLOATS, dy, dyAt + j);
            FloatVector scaled = slope == 0 ? zero : gradient.lanewise(MUL, slopes);
            scaled.blend(gradient, z.compare(GT, zero)).intoArray(into, j);
        }
        for (int j = end; j < r.length; j++) {
            float z = Math.fma(x[xAt + j] - c.centre[channel], c.scale[channel], c.offset[channel]);
            into[j] = gradient(z, dy[dyAt + j], slope);
        }
    }

    private static float gradient(float z, float dy, float slope) {
        return z > 0 ? dy : slope == 0 ? 0 : dy * slope;
    }
}
