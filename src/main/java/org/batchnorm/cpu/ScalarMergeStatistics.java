package org.batchnorm.cpu;

import org.batchnorm.spi.BatchStatistics;

/** {@link MergeStatistics} in plain loops; doubtful features in two passes over their values. */
final class ScalarMergeStatistics implements MergeStatistics {
    /** Mean squares above this may have overflowed in float32. */
    private static final double HUGE = 1e37;

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
        float[] shift = coefficients.centre;
        means(sum, perValue, shift, statistics.mean(), statistics.meanLow(), from, to);
        variances(sum, square, perValue, statistics.variance(), from, to);
        Rstd.of(statistics.variance(), eps, statistics.rstd(), from, to);
        if (!areBeyondDoubt(statistics.mean(), shift, statistics.variance(), from, to)) {
            for (int c = from; c < to; c++) {
                if (isDoubtful(sum[c] * perValue, square[c] * perValue)) {
                    runCarefully(blocks, x, start, c, eps, statistics);
                }
            }
        }
        coefficients.forTransform(gamma, beta, statistics, from, to);
    }

    // One simple loop for each step: so the compiler makes vector code of them.

    private static void means(
            double[] sums, double perValue, float[] shift, float[] mean, float[] meanLow, int from, int to) {
        for (int c = from; c < to; c++) {
            double exact = shift[c] + sums[c] * perValue;
            float high = (float) exact;
            mean[c] = high;
            meanLow[c] = (float) (exact - high);
        }
    }

    private static void variances(
            double[] sums, double[] squares, double perValue, float[] variance, int from, int to) {
        for (int c = from; c < to; c++) {
            double delta = sums[c] * perValue;
            variance[c] = (float) (squares[c] * perValue - delta * delta);
        }
    }

    /**
     * Whether no feature is doubtful, as far as can be seen in float32 and without a branch for each: a constant 0
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

    private static boolean isDoubtful(double delta, double meanSquare) {
        boolean inRange = meanSquare > TINY && meanSquare < HUGE;
        boolean constant = meanSquare == 0 && delta == 0;
        return !(inRange && farness(delta, meanSquare) <= 0) && !constant;
    }

    /** More than 0 where the shift is far from the mean. */
    private static double farness(double delta, double meanSquare) {
        return delta * delta * (1 + FAR) - FAR * meanSquare;
    }

    /** One feature in two passes in double precision, which no finite values overflow. */
    private static void runCarefully(
            Blocks blocks, Object x, long start, int c, double eps, BatchStatistics statistics) {
        double m = blocks.shape.valuesPerFeature();
        double mean = sumOfPowers(blocks, x, start, c, 0, 1) / m;
        double variance = Double.isFinite(mean) ? sumOfPowers(blocks, x, start, c, mean, 2) / m : Double.NaN;
        set(statistics, c, mean, variance, eps);
    }

    private static double sumOfPowers(Blocks blocks, Object x, long start, int c, double centre, int power) {
        long spatial = blocks.shape.spatial();
        boolean contiguous = blocks.shape.featuresContiguous();
        long sampleApart = blocks.features * spatial;
        long positionApart = contiguous ? blocks.features : 1;
        long first = start + (contiguous ? c : c * spatial);
        double sum = 0;
        for (long n = 0; n < blocks.shape.n(); n++) {
            for (long s = 0; s < spatial; s++) {
                double d = Memory.get(x, first + n * sampleApart + s * positionApart) - centre;
                sum += power == 1 ? d : d * d;
            }
            if (Double.isNaN(sum)) {
                return sum;
            }
        }
        return sum;
    }

    private static void set(BatchStatistics statistics, int c, double mean, double variance, double eps) {
        float high = (float) mean;
        float low = (float) (mean - high);
        statistics.mean()[c] = high;
        statistics.meanLow()[c] = Float.isFinite(low) ? low : 0;
        statistics.variance()[c] = (float) variance;
        statistics.rstd()[c] = (float) (1 / Math.sqrt(variance + eps));
    }
}
