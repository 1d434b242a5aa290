package org.batchnorm.cpu.kernel.vector;

import static jdk.incubator.vector.VectorOperators.ABS;
import static jdk.incubator.vector.VectorOperators.ADD;
import static jdk.incubator.vector.VectorOperators.DIV;
import static jdk.incubator.vector.VectorOperators.FMA;
import static jdk.incubator.vector.VectorOperators.MIN;
import static jdk.incubator.vector.VectorOperators.MUL;
import static jdk.incubator.vector.VectorOperators.SQRT;
import static jdk.incubator.vector.VectorOperators.SUB;
import static org.batchnorm.cpu.kernel.vector.Species.DOUBLES;
import static org.batchnorm.cpu.kernel.vector.Species.HALVES;

import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.MergeStatistics;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.cpu.kernel.Suspect;
import org.batchnorm.cpu.kernel.Wide;

/**
 * {@link MergeStatistics} on the Vector API. The one idea: all steps in one loop, with the same roundings as in the
 * plain merge, so that both give the same bits.
 */
final class VectorMergeStatistics implements MergeStatistics {
    private static final int LANES = DOUBLES.length();

    /**
     * Features that one call merges: not many, because the compiler takes up a method the sooner the more often it is
     * called, and merging is slow until then.
     */
    private static final int AT_ONCE = 128;

    private final MergeStatistics plain;

    VectorMergeStatistics(MergeStatistics plain) {
        this.plain = plain;
    }

    @Override
    public boolean merge(Sums sums, PerFeature f, Coefficients c, int from, int to) {
        if (to - from < LANES) {
            return plain.merge(sums, f, c, from, to);
        }
        int end = to - (to - from) % LANES;
        boolean reliable = true;
        for (int i = from; reliable && i < end; i += AT_ONCE) {
            reliable = mergeVectors(sums, f, c, i, Math.min(i + AT_ONCE, end));
        }
        // The last vector overlaps the ones before.
        return reliable && (end == to || mergeVectors(sums, f, c, to - LANES, to));
    }

    private static boolean mergeVectors(Sums sums, PerFeature f, Coefficients coefficients, int from, int to) {
        float[] mean = f.statistics.mean();
        float[] meanLow = f.statistics.meanLow();
        float[] variance = f.statistics.variance();
        float[] rstd = f.statistics.rstd();
        DoubleVector share = DoubleVector.broadcast(DOUBLES, 1.0 / f.count);
        FloatVector zero = FloatVector.zero(HALVES);
        FloatVector one = FloatVector.broadcast(HALVES, 1);
        FloatVector added = FloatVector.broadcast(HALVES, (float) f.eps);
        FloatVector far = FloatVector.broadcast(HALVES, Suspect.STRICTER / f.far);
        FloatVector large = FloatVector.broadcast(HALVES, Suspect.TOWARDS_OVERFLOW);
        FloatVector fromUnderflow = FloatVector.broadcast(HALVES, Wide.FROM_UNDERFLOW);
        FloatVector normal = FloatVector.broadcast(HALVES, Float.MIN_NORMAL);
        FloatVector tiny = FloatVector.broadcast(HALVES, Suspect.TINY);
        // Below 0, or NaN, where a feature is suspect or wide: of those that are not suspect no mean is large. Not a
        // mask: what works on masks is slow until it is compiled,
        // and takes long to be compiled.
        FloatVector least = zero;
        for (int c = from; c < to; c += LANES) {
            FloatVector shift = FloatVector.fromArray(HALVES, coefficients.shift, c);
            DoubleVector delta = DoubleVector.fromArray(DOUBLES, sums.sum, c).lanewise(MUL, share);
            DoubleVector exact = Species.widen(shift).lanewise(ADD, delta);
            FloatVector high = Species.narrow(exact);
            FloatVector low = Species.narrow(exact.lanewise(SUB, Species.widen(high)));
            DoubleVector meanSquare =
                    DoubleVector.fromArray(DOUBLES, sums.product, c).lanewise(MUL, share);
            FloatVector v = Species.narrow(meanSquare.lanewise(SUB, delta.lanewise(MUL, delta)));
            FloatVector r = one.lanewise(DIV, v.lanewise(ADD, added).lanewise(SQRT));
            FloatVector gamma = FloatVector.fromArray(HALVES, f.gamma, c);
            FloatVector a = r.lanewise(MUL, gamma);
            FloatVector size = a.lanewise(ABS);
            high.intoArray(mean, c);
            high.intoArray(coefficients.centre, c);
            low.intoArray(meanLow, c);
            v.intoArray(variance, c);
            r.intoArray(rstd, c);
            a.intoArray(coefficients.scale, c);
            FloatVector.fromArray(HALVES, f.beta, c)
                    .lanewise(SUB, low.lanewise(MUL, a))
                    .intoArray(coefficients.offset, c);
            FloatVector distance = Species.narrow(delta);
            FloatVector needed =
                    distance.lanewise(MUL, distance).lanewise(MUL, far).lanewise(ADD, tiny);
            FloatVector room = size.lanewise(
                    SUB, gamma.lanewise(ABS).lanewise(MUL, fromUnderflow).lanewise(MIN, normal));
            least = v.lanewise(FMA, large, size)
                    .lanewise(MUL, zero)
                    .lanewise(ADD, v.lanewise(SUB, needed))
                    .lanewise(MIN, room)
                    .lanewise(MIN, least);
        }
        return zero.lanewise(ADD, least).reduceLanes(ADD) == 0;
    }
}
