package org.batchnorm.cpu.kernel.vector;

import static jdk.incubator.vector.VectorOperators.DIV;
import static jdk.incubator.vector.VectorOperators.FMA;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LE;
import static jdk.incubator.vector.VectorOperators.MUL;
import static jdk.incubator.vector.VectorOperators.SUB;
import static org.batchnorm.cpu.kernel.vector.Species.FLOATS;

import jdk.incubator.vector.FloatVector;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.spi.Activation;

/** Activations of vectors. Which one a kernel has is a constant of its {@link Variant}, so that nothing is asked. */
enum VectorActivation {
    /** The identity, of which nothing remains in the code. */
    NONE(0),
    /** With slope 0, which needs no product, and makes 0 of −∞. */
    RELU(1),
    /** With another slope. */
    LEAKY(2),
    /** Before batch norm, where y stands in the place of x: {@link #value} is z, and dx has no factor. */
    UNDOING(3),
    /** {@link #LEAKY} after batch norm, where that is undone: z is what stands in the place of x. */
    UNDONE(4);

    /** Counts them. */
    final int number;

    VectorActivation(int number) {
        this.number = number;
    }

    /** Whether z is made of x with coefficients of the forward. */
    boolean needsForward() {
        return this == RELU || this == LEAKY;
    }

    static VectorActivation of(Activation activation) {
        return activation.isNone() ? NONE : activation.negativeSlope() == 0 ? RELU : LEAKY;
    }

    /** The slope for the methods below, to be made outside of loops. */
    static FloatVector slope(Activation activation) {
        return FloatVector.broadcast(FLOATS, activation.negativeSlope());
    }

    /** {@link Activation#of}, or {@link Activation#undo}. */
    FloatVector value(FloatVector v, FloatVector slope) {
        if (this == NONE) {
            return v;
        }
        FloatVector zero = FloatVector.zero(FLOATS);
        if (this == RELU) {
            return v.blend(zero, v.compare(LE, zero));
        }
        FloatVector other = this == UNDOING ? v.lanewise(DIV, slope) : v.lanewise(MUL, slope);
        return other.blend(v, v.compare(GT, zero));
    }

    /** {@link Activation#gradient}. */
    FloatVector gradient(FloatVector gradient, FloatVector v, FloatVector slope) {
        if (this == NONE || this == UNDOING) {
            return gradient;
        }
        FloatVector zero = FloatVector.zero(FLOATS);
        return this == RELU
                ? zero.blend(gradient, v.compare(GT, zero))
                : gradient.lanewise(MUL, slope).blend(gradient, v.compare(GT, zero));
    }

    /**
     * {@code z = (x − centre) · scale + offset}, as the forward had it, of which {@link #gradient} asks the sign. Not
     * called from there: where most kernels have no activation, that call would be too rare for the compiler to inline
     * it, and every vector an object, in three of eight processes.
     *
     * @param j where the coefficients of the vector begin
     */
    FloatVector forward(FloatVector x, Coefficients ofForward, int j) {
        if (this == NONE || this == UNDONE) {
            return x;
        }
        FloatVector centre = FloatVector.fromArray(FLOATS, ofForward.centre, j);
        FloatVector scale = FloatVector.fromArray(FLOATS, ofForward.scale, j);
        FloatVector offset = FloatVector.fromArray(FLOATS, ofForward.offset, j);
        return x.lanewise(SUB, centre).lanewise(FMA, scale, offset);
    }
}
