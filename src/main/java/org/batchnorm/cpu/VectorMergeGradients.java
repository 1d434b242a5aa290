package org.batchnorm.cpu;

import static jdk.incubator.vector.VectorOperators.ADD;
import static jdk.incubator.vector.VectorOperators.MUL;
import static jdk.incubator.vector.VectorOperators.SUB;
import static org.batchnorm.cpu.VectorMemory.DOUBLES;
import static org.batchnorm.cpu.VectorMemory.HALVES;

import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import org.batchnorm.spi.BatchStatistics;

/**
 * {@link MergeGradients} on the Vector API. The idea is that of {@link VectorMergeStatistics}; here it is stretches
 * with an infinity or NaN that are left to the twin.
 */
final class VectorMergeGradients implements MergeGradients {
    private static final int LANES = DOUBLES.length();
    private static final MergeGradients CAREFUL = new ScalarMergeGradients();

    @Override
    public void run(
            double perValue,
            double[] sum,
            double[] product,
            float[] gamma,
            BatchStatistics statistics,
            float[] dgamma,
            float[] dbeta,
            Coefficients coefficients,
            int from,
            int to) {
        int end = to - (to - from) % LANES;
        boolean done = to - from >= LANES;
        for (int c = from; done && c < end; c += VectorMergeStatistics.AT_ONCE) {
            int last = Math.min(c + VectorMergeStatistics.AT_ONCE, end);
            done = merge(perValue, sum, product, gamma, statistics, dgamma, dbeta, coefficients, c, last);
        }
        if (done && end < to) {
            // The last vector overlaps the ones before.
            done = merge(perValue, sum, product, gamma, statistics, dgamma, dbeta, coefficients, to - LANES, to);
        }
        if (!done) {
            CAREFUL.run(perValue, sum, product, gamma, statistics, dgamma, dbeta, coefficients, from, to);
        }
    }

    /** Merges whole vectors of features, and says whether all dbeta are finite. */
    private static boolean merge(
            double perValue,
            double[] sum,
            double[] product,
            float[] gamma,
            BatchStatistics statistics,
            float[] dgamma,
            float[] dbeta,
            Coefficients coefficients,
            int from,
            int to) {
        float[] meanLow = statistics.meanLow();
        float[] rstd = statistics.rstd();
        float[] dyCentre = coefficients.dyCentre;
        float[] scale = coefficients.scale;
        float[] slope = coefficients.slope;
        float[] offset = coefficients.offset;
        DoubleVector share = DoubleVector.broadcast(DOUBLES, perValue);
        DoubleVector minusShare = DoubleVector.broadcast(DOUBLES, -perValue);
        FloatVector zero = FloatVector.zero(HALVES);
        FloatVector notFinite = zero;
        for (int c = from; c < to; c += LANES) {
            FloatVector low = FloatVector.fromArray(HALVES, meanLow, c);
            FloatVector r = FloatVector.fromArray(HALVES, rstd, c);
            DoubleVector exactRstd = VectorMemory.widen(r);
            DoubleVector exactDbeta = DoubleVector.fromArray(DOUBLES, sum, c);
            DoubleVector exactDgamma = DoubleVector.fromArray(DOUBLES, product, c)
                    .lanewise(SUB, VectorMemory.widen(low).lanewise(MUL, exactDbeta))
                    .lanewise(MUL, exactRstd);
            FloatVector rounded = VectorMemory.narrow(exactDbeta);
            rounded.intoArray(dbeta, c);
            VectorMemory.narrow(exactDgamma).intoArray(dgamma, c);
            FloatVector a = r.lanewise(MUL, FloatVector.fromArray(HALVES, gamma, c));
            a.intoArray(scale, c);
            FloatVector k = VectorMemory.narrow(exactDgamma.lanewise(MUL, exactRstd.lanewise(MUL, minusShare)));
            k.intoArray(slope, c);
            DoubleVector dyMean = exactDbeta.lanewise(MUL, share);
            FloatVector centre = VectorMemory.narrow(dyMean);
            centre.intoArray(dyCentre, c);
            FloatVector lost = VectorMemory.narrow(VectorMemory.widen(centre).lanewise(SUB, dyMean));
            lost.lanewise(SUB, k.lanewise(MUL, low)).lanewise(MUL, a).intoArray(offset, c);
            // What is not finite leaves NaN when it is taken from itself.
            notFinite = rounded.lanewise(SUB, rounded).lanewise(ADD, notFinite);
        }
        float[] lanes = Tile.current().a;
        zero.lanewise(ADD, notFinite).intoArray(lanes, 0);
        return Tile.total(lanes, 0, LANES) == 0;
    }
}
