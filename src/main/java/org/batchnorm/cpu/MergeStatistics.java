package org.batchnorm.cpu;

import org.batchnorm.spi.BatchStatistics;

/**
 * The step {@code mergeStatistics}: from the blocks' sums of {@code d = x − shift} and {@code d²} to the statistics,
 *
 * <pre>
 *   mean     = shift + Σd / m
 *   variance = (Σd² − (Σd)² / m) / m
 *   rstd     = 1 / sqrt(variance + eps)
 * </pre>
 *
 * in double precision. As all blocks share the shift, adding their sums in one fixed order is what Chan's pairwise merge comes to.
 *
 * <p>The difference cancels where the shift is far from the mean (several outliers among the sampled rows), and d² leaves the range of float32 where |d| is beyond 1e19 or below 1e-19.
 * Both are seen from the sums; such a feature is done again in double precision.
 */
final class MergeStatistics {
    /** Beyond this ratio of (mean − shift)² to the variance the difference has lost too many of its bits. */
    private static final float FAR = 64;

    /** Mean squares below this have lost bits to float32's underflow. */
    private static final float TINY = 1e-32f;

    /** Mean squares above this may have overflowed in float32. */
    private static final double HUGE = 1e37;

    private MergeStatistics() {}

    /**
     * Merges the features {@code from} to {@code to}.
     *
     * @param sum in, Σd, (partials, C); the first partial is destroyed
     * @param square in, Σd², (partials, C); the first partial is destroyed
     * @param shift in, (C)
     * @param statistics out
     */
    static void run(
            Blocks blocks,
            Object x,
            long start,
            double[][] sum,
            double[][] square,
            float[] shift,
            double eps,
            BatchStatistics statistics,
            int from,
            int to) {
        double[] sums = addPartials(sum, blocks.partials(), from, to);
        double[] squares = addPartials(square, blocks.partials(), from, to);
        double perValue = 1.0 / blocks.shape.valuesPerFeature();
        means(sums, perValue, shift, statistics.mean(), statistics.meanLow(), from, to);
        variances(sums, squares, perValue, statistics.variance(), from, to);
        Rstd.of(statistics.variance(), eps, statistics.rstd(), from, to);
        if (!areBeyondDoubt(statistics.mean(), shift, statistics.variance(), from, to)) {
            for (int c = from; c < to; c++) {
                if (isDoubtful(sums[c] * perValue, squares[c] * perValue)) {
                    runCarefully(blocks, x, start, c, eps, statistics);
                }
            }
        }
    }

    /** Adds the sums of all partials to those of the first, in their order. */
    static double[] addPartials(double[][] sums, int partials, int from, int to) {
        double[] all = sums[0];
        for (int p = 1; p < partials; p++) {
            add(all, sums[p], from, to);
        }
        return all;
    }

    // One simple loop for each step: so the compiler makes vector code of them.

    private static void add(double[] sums, double[] more, int from, int to) {
        for (int c = from; c < to; c++) {
            sums[c] += more[c];
        }
    }

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
     * Whether no feature is doubtful, as far as can be seen in float32 and without a branch for each: a constant 0 cannot. Where the shift is near the mean, the variance is at least a
     * (1 + FAR)-th of the mean square, so that its range tells of both. An infinite variance times 0 makes NaN of the whole.
     */
    private static boolean areBeyondDoubt(float[] mean, float[] shift, float[] variance, int from, int to) {
        float least = Float.MAX_VALUE;
        for (int c = from; c < to; c++) {
            float v = variance[c];
            float delta = mean[c] - shift[c];
            least = Math.min(least, v * 0 + (v - Math.max(delta * delta * (1 / FAR), TINY)));
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
