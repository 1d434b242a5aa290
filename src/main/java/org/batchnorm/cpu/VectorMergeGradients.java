package org.batchnorm.cpu;

import static org.batchnorm.cpu.VectorMemory.DOUBLES;
import static org.batchnorm.cpu.VectorMemory.HALVES;

import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import org.batchnorm.spi.BatchStatistics;

/** {@link MergeGradients} on the Vector API. The idea is that of {@link VectorMergeStatistics}; here it is stretches with an infinity or NaN that are left to the twin. */
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
        FloatVector notFinite = FloatVector.zero(HALVES);
        for (int c = from; c < to; c += LANES) {
            FloatVector low = FloatVector.fromArray(HALVES, meanLow, c);
            FloatVector r = FloatVector.fromArray(HALVES, rstd, c);
            DoubleVector exactRstd = VectorMemory.widen(r);
            DoubleVector exactDbeta = DoubleVector.fromArray(DOUBLES, sum, c);
            DoubleVector exactDgamma = DoubleVector.fromArray(DOUBLES, product, c)
                    .sub(VectorMemory.widen(low).mul(exactDbeta))
                    .mul(exactRstd);
            FloatVector rounded = VectorMemory.narrow(exactDbeta);
            rounded.intoArray(dbeta, c);
            VectorMemory.narrow(exactDgamma).intoArray(dgamma, c);
            FloatVector a = r.mul(FloatVector.fromArray(HALVES, gamma, c));
            a.intoArray(scale, c);
            FloatVector k = VectorMemory.narrow(exactDgamma.mul(exactRstd.mul(-perValue)));
            k.intoArray(slope, c);
            DoubleVector dyMean = exactDbeta.mul(perValue);
            FloatVector centre = VectorMemory.narrow(dyMean);
            centre.intoArray(dyCentre, c);
            FloatVector lost = VectorMemory.narrow(VectorMemory.widen(centre).sub(dyMean));
            lost.sub(k.mul(low)).mul(a).intoArray(offset, c);
            // What is not finite leaves NaN when it is taken from itself.
            notFinite = notFinite.add(rounded.sub(rounded));
        }
        float[] lanes = Tile.current().a;
        notFinite.intoArray(lanes, 0);
        return Tile.total(lanes, 0, LANES) == 0;
    }
}
