package org.batchnorm.cpu.kernel.scalar;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.MergeStatistics;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rstd;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.Moments;

/** {@link MergeStatistics} in plain loops; suspect features in two passes over their values. */
public final class ScalarMergeStatistics implements MergeStatistics {
    /** Mean squares above this may have overflowed in float32. */
    private static final double HUGE = 1e37;

    /** The merge, which has no state of its own. */
    public ScalarMergeStatistics() {}

    @Override
    public void merge(Cut cut, Operands o, Sums sums, PerFeature f, Coefficients c, int from, int to) {
        BatchStatistics statistics = f.statistics;
        double perValue = 1.0 / f.count;
        means(sums.sum, perValue, c.shift, statistics, from, to);
        variances(sums, perValue, statistics.variance(), from, to);
        Rstd.of(statistics.variance(), f.eps, statistics.rstd(), from, to);
        if (!areBeyondDoubt(statistics.mean(), c.shift, statistics.variance(), from, to)) {
            for (int i = from; i < to; i++) {
                if (isSuspect(sums.sum[i] * perValue, sums.product[i] * perValue)) {
                    mergeAgain(cut.shape, o, i, f);
                }
            }
        }
        TransformCoefficients.ofBatch(f, c, from, to);
    }

    /**
     * Merges the features {@code from} to {@code to} to moments, without rounding these.
     *
     * @param c in: the shift
     * @param moments out: mean and m2
     */
    public static void moments(Cut cut, Operands o, Sums sums, Coefficients c, Moments moments, int from, int to) {
        double count = cut.shape.valuesPerFeature();
        double perValue = 1 / count;
        for (int i = from; i < to; i++) {
            double delta = sums.sum[i] * perValue;
            double meanSquare = sums.product[i] * perValue;
            if (isSuspect(delta, meanSquare)) {
                double mean = mean(cut.shape, o, i);
                moments.mean()[i] = mean;
                moments.m2()[i] = variance(cut.shape, o, i, mean) * count;
            } else {
                moments.mean()[i] = c.shift[i] + delta;
                moments.m2()[i] = (meanSquare - delta * delta) * count;
            }
        }
    }

    // One simple loop for each step: so the compiler makes vector code of them.

    private static void means(
            double[] sums, double perValue, float[] shift, BatchStatistics statistics, int from, int to) {
        float[] mean = statistics.mean();
        float[] meanLow = statistics.meanLow();
        for (int c = from; c < to; c++) {
            double exact = shift[c] + sums[c] * perValue;
            float high = (float) exact;
            mean[c] = high;
            meanLow[c] = (float) (exact - high);
        }
    }

    private static void variances(Sums all, double perValue, float[] variance, int from, int to) {
        double[] sums = all.sum;
        double[] squares = all.product;
        for (int c = from; c < to; c++) {
            double delta = sums[c] * perValue;
            variance[c] = (float) (squares[c] * perValue - delta * delta);
        }
    }

    /**
     * Whether no feature is suspect, as far as can be seen in float32 and without a branch for each: a constant 0
     * cannot. Where the shift is near the mean, the variance is at least a (1 + FAR)-th of the mean square, so that its
     * range tells of both. An infinite variance times 0 makes NaN of the whole.
     */
    private static boolean areBeyondDoubt(float[] mean, float[] shift, float[] variance, int from, int to) {
        float least = Float.MAX_VALUE;
        for (int c = from; c < to; c++) {
            float v = variance[c];
            float delta = mean[c] - shift[c];
            least = Math.min(least, v * 0 + (v - (delta * delta * (1 / FAR) + TINY)));
        }
        return least > 0;
    }

    private static boolean isSuspect(double delta, double meanSquare) {
        boolean inRange = meanSquare > TINY && meanSquare < HUGE;
        boolean constant = meanSquare == 0 && delta == 0;
        return !(inRange && farness(delta, meanSquare) <= 0) && !constant;
    }

    /** More than 0 where the shift is far from the mean. */
    private static double farness(double delta, double meanSquare) {
        return delta * delta * (1 + FAR) - FAR * meanSquare;
    }

    // Suspect features, in two passes in double precision, which no finite values overflow.

    private static double mean(BatchShape shape, Operands o, int feature) {
        return sumOfPowers(shape, o, feature, 0, 1) / shape.valuesPerFeature();
    }

    private static double variance(BatchShape shape, Operands o, int feature, double mean) {
        return Double.isFinite(mean) ? sumOfPowers(shape, o, feature, mean, 2) / shape.valuesPerFeature() : Double.NaN;
    }

    private static double sumOfPowers(BatchShape shape, Operands o, int feature, double centre, int power) {
        boolean contiguous = shape.featuresContiguous();
        long sampleApart = shape.c() * shape.spatial();
        long positionApart = contiguous ? shape.c() : 1;
        long first = contiguous ? feature : feature * shape.spatial();
        double sum = 0;
        for (long n = 0; n < shape.n(); n++) {
            for (long s = 0; s < shape.spatial(); s++) {
                double d = o.x(first + n * sampleApart + s * positionApart) - centre;
                sum += power == 1 ? d : d * d;
            }
            if (Double.isNaN(sum)) {
                return sum;
            }
        }
        return sum;
    }

    private static void mergeAgain(BatchShape shape, Operands o, int feature, PerFeature f) {
        double mean = mean(shape, o, feature);
        double variance = variance(shape, o, feature, mean);
        float high = (float) mean;
        float low = (float) (mean - high);
        f.statistics.mean()[feature] = high;
        f.statistics.meanLow()[feature] = Float.isFinite(low) ? low : 0;
        f.statistics.variance()[feature] = (float) variance;
        f.statistics.rstd()[feature] = (float) (1 / Math.sqrt(variance + f.eps));
    }
}
