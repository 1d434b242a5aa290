package org.batchnorm.cpu;

import static jdk.incubator.vector.VectorOperators.ADD;
import static jdk.incubator.vector.VectorOperators.DIV;
import static jdk.incubator.vector.VectorOperators.MIN;
import static jdk.incubator.vector.VectorOperators.MUL;
import static jdk.incubator.vector.VectorOperators.SQRT;
import static jdk.incubator.vector.VectorOperators.SUB;
import static org.batchnorm.cpu.VectorMemory.DOUBLES;
import static org.batchnorm.cpu.VectorMemory.HALVES;

import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import org.batchnorm.spi.BatchStatistics;

/**
 * {@link MergeStatistics} on the Vector API. The one idea: all steps in one loop, with the same roundings as its
 * twin's; stretches in which a feature is doubtful are left to the twin.
 */
final class VectorMergeStatistics implements MergeStatistics {
    private static final int LANES = DOUBLES.length();

    /**
     * Features that one call merges: not many, because the compiler sooner takes up what is called often, and until
     * then merging is slow.
     */
    static final int AT_ONCE = 128;

    private static final MergeStatistics CAREFUL = new ScalarMergeStatistics();

    @Override
    public void run(
            Blocks blocks,
            Object x,
            long start,
            double[] sum,
            double[] square,
            double eps,
            float[] gamma,
            float[] beta,
            BatchStatistics statistics,
            Coefficients coefficients,
            int from,
            int to) {
        double perValue = 1.0 / blocks.shape.valuesPerFeature();
        int end = to - (to - from) % LANES;
        boolean done = to - from >= LANES;
        for (int c = from; done && c < end; c += AT_ONCE) {
            int last = Math.min(c + AT_ONCE, end);
            done = merge(perValue, sum, square, eps, gamma, beta, statistics, coefficients, c, last);
        }
        if (done && end < to) {
            // The last vector overlaps the ones before.
            done = merge(perValue, sum, square, eps, gamma, beta, statistics, coefficients, to - LANES, to);
        }
        if (done) {
            System.arraycopy(statistics.mean(), from, coefficients.centre, from, to - from);
        } else {
            CAREFUL.run(blocks, x, start, sum, square, eps, gamma, beta, statistics, coefficients, from, to);
        }
    }

    /**
     * Merges whole vectors of features, and says whether none is doubtful. The shift is still in {@code centre}
     * afterwards.
     */
    private static boolean merge(
            double perValue,
            double[] sum,
            double[] square,
            double eps,
            float[] gamma,
            float[] beta,
            BatchStatistics statistics,
            Coefficients coefficients,
            int from,
            int to) {
        float[] shifts = coefficients.centre;
        float[] mean = statistics.mean();
        float[] meanLow = statistics.meanLow();
        float[] variance = statistics.variance();
        float[] rstd = statistics.rstd();
        float[] scale = coefficients.scale;
        float[] offset = coefficients.offset;
        DoubleVector share = DoubleVector.broadcast(DOUBLES, perValue);
        FloatVector zero = FloatVector.zero(HALVES);
        FloatVector one = FloatVector.broadcast(HALVES, 1);
        FloatVector added = FloatVector.broadcast(HALVES, (float) eps);
        FloatVector far = FloatVector.broadcast(HALVES, 1 / FAR);
        FloatVector tiny = FloatVector.broadcast(HALVES, TINY);
        // Below 0, or NaN, where a feature is doubtful. Not a mask: what works on masks is slow until it is compiled,
        // and takes long to be compiled.
        FloatVector least = zero;
        for (int c = from; c < to; c += LANES) {
            FloatVector shift = FloatVector.fromArray(HALVES, shifts, c);
            DoubleVector delta = DoubleVector.fromArray(DOUBLES, sum, c).lanewise(MUL, share);
            DoubleVector exact = VectorMemory.widen(shift).lanewise(ADD, delta);
            FloatVector high = VectorMemory.narrow(exact);
            FloatVector low = VectorMemory.narrow(exact.lanewise(SUB, VectorMemory.widen(high)));
            DoubleVector meanSquare = DoubleVector.fromArray(DOUBLES, square, c).lanewise(MUL, share);
            FloatVector v = VectorMemory.narrow(meanSquare.lanewise(SUB, delta.lanewise(MUL, delta)));
            FloatVector r = one.lanewise(DIV, v.lanewise(ADD, added).lanewise(SQRT));
            FloatVector a = r.lanewise(MUL, FloatVector.fromArray(HALVES, gamma, c));
            high.intoArray(mean, c);
            low.intoArray(meanLow, c);
            v.intoArray(variance, c);
            r.intoArray(rstd, c);
            a.intoArray(scale, c);
            FloatVector.fromArray(HALVES, beta, c)
                    .lanewise(SUB, low.lanewise(MUL, a))
                    .intoArray(offset, c);
            FloatVector distance = high.lanewise(SUB, shift);
            FloatVector needed =
                    distance.lanewise(MUL, distance).lanewise(MUL, far).lanewise(ADD, tiny);
            least = v.lanewise(MUL, zero).lanewise(ADD, v.lanewise(SUB, needed)).lanewise(MIN, least);
        }
        float[] lanes = Tile.current().a;
        zero.lanewise(ADD, least).intoArray(lanes, 0);
        return Tile.total(lanes, 0, LANES) == 0;
    }
}
