package org.batchnorm.cpu.kernel.vector;

import static jdk.incubator.vector.VectorOperators.ADD;
import static jdk.incubator.vector.VectorOperators.MUL;
import static jdk.incubator.vector.VectorOperators.SUB;
import static org.batchnorm.cpu.kernel.vector.Species.DOUBLES;
import static org.batchnorm.cpu.kernel.vector.Species.HALVES;

import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.MergeGradients;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Sums;

/**
 * {@link MergeGradients} on the Vector API. The idea is that of {@link VectorMergeStatistics}. The two rare formulas,
 * of two values and with given statistics, are left to the plain merge.
 */
final class VectorMergeGradients implements MergeGradients {
    private static final int LANES = DOUBLES.length();
    private static final int TWO_VALUES = 2;

    private final MergeGradients plain;

    VectorMergeGradients(MergeGradients plain) {
        this.plain = plain;
    }

    @Override
    public boolean merge(Sums sums, PerFeature f, Coefficients c, int from, int to) {
        if (to - from < LANES || !f.throughStatistics || f.count <= TWO_VALUES) {
            return plain.merge(sums, f, c, from, to);
        }
        int end = to - (to - from) % LANES;
        boolean finite = true;
        for (int i = from; finite && i < end; i += VectorMergeStatistics.AT_ONCE) {
            finite = mergeVectors(sums, f, c, i, Math.min(i + VectorMergeStatistics.AT_ONCE, end));
        }
        // The last vector overlaps the ones before.
        return finite && (end == to || mergeVectors(sums, f, c, to - LANES, to));
    }

    private static boolean mergeVectors(Sums sums, PerFeature f, Coefficients coefficients, int from, int to) {
        float[] meanLow = f.statistics.meanLow();
        float[] rstd = f.statistics.rstd();
        double[] dgamma = f.gradients.dgamma();
        double[] dbeta = f.gradients.dbeta();
        double perValue = 1.0 / f.count;
        DoubleVector count = DoubleVector.broadcast(DOUBLES, (double) f.count);
        DoubleVector share = DoubleVector.broadcast(DOUBLES, perValue);
        DoubleVector minusShare = DoubleVector.broadcast(DOUBLES, -perValue);
        FloatVector zero = FloatVector.zero(HALVES);
        FloatVector notFinite = zero;
        for (int c = from; c < to; c += LANES) {
            FloatVector low = FloatVector.fromArray(HALVES, meanLow, c);
            FloatVector r = FloatVector.fromArray(HALVES, rstd, c);
            DoubleVector exactRstd = Species.widen(r);
            FloatVector centre = FloatVector.fromArray(HALVES, f.statistics.mean(), c);
            DoubleVector distance = Species.widen(centre)
                    .lanewise(SUB, Species.widen(FloatVector.fromArray(HALVES, coefficients.shift, c)))
                    .lanewise(ADD, Species.widen(low));
            DoubleVector sum = DoubleVector.fromArray(DOUBLES, sums.sum, c);
            DoubleVector shifts = Species.widen(FloatVector.fromArray(HALVES, coefficients.dyShift, c));
            DoubleVector exactDbeta = sum.lanewise(ADD, shifts.lanewise(MUL, count));
            DoubleVector exactDgamma = DoubleVector.fromArray(DOUBLES, sums.product, c)
                    .lanewise(SUB, distance.lanewise(MUL, sum))
                    .lanewise(MUL, exactRstd);
            exactDbeta.intoArray(dbeta, c);
            exactDgamma.intoArray(dgamma, c);
            FloatVector a = r.lanewise(MUL, FloatVector.fromArray(HALVES, f.gamma, c));
            a.intoArray(coefficients.scale, c);
            FloatVector k = Species.narrow(exactDgamma.lanewise(MUL, exactRstd.lanewise(MUL, minusShare)));
            k.intoArray(coefficients.slope, c);
            DoubleVector dyMean = exactDbeta.lanewise(MUL, share);
            FloatVector dyCentre = Species.narrow(dyMean);
            dyCentre.intoArray(coefficients.dyCentre, c);
            FloatVector lost = Species.narrow(Species.widen(dyCentre).lanewise(SUB, dyMean));
            lost.lanewise(SUB, k.lanewise(MUL, low)).lanewise(MUL, a).intoArray(coefficients.offset, c);
            centre.intoArray(coefficients.centre, c);
            // What is not finite leaves NaN when it is taken from itself.
            FloatVector rounded = Species.narrow(exactDbeta);
            notFinite = rounded.lanewise(SUB, rounded).lanewise(ADD, notFinite);
            rounded = Species.narrow(exactDgamma);
            notFinite = rounded.lanewise(SUB, rounded).lanewise(ADD, notFinite);
        }
        return zero.lanewise(ADD, notFinite).reduceLanes(ADD) == 0;
    }
}
