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
    private static final double FAR = 64;

    /** Mean squares below this have lost bits to float32's underflow. */
    private static final double TINY = 1e-32;

    private MergeStatistics() {}

    /**
     * Merges.
     *
     * @param sum in, Σd, (partials, C)
     * @param square in, Σd², (partials, C)
     * @param shift in, per column
     * @param statistics out
     */
    static void run(
            Blocks blocks,
            Object x,
            long start,
            double[] sum,
            double[] square,
            float[] shift,
            double eps,
            BatchStatistics statistics) {
        int features = blocks.features;
        int partials = blocks.partials();
        addPartials(sum, partials, features);
        addPartials(square, partials, features);
        double m = blocks.shape.valuesPerFeature();
        for (int c = 0; c < features; c++) {
            double delta = sum[c] / m;
            double meanSquare = square[c] / m;
            double variance = Math.max(meanSquare - delta * delta, 0);
            double mean = shift[c * blocks.repeat] + delta;
            boolean constant = meanSquare == 0 && delta == 0;
            boolean inRange = meanSquare > TINY && meanSquare < Double.POSITIVE_INFINITY;
            if (constant || (inRange && delta * delta <= FAR * variance)) {
                set(statistics, c, mean, variance, eps);
            } else {
                runCarefully(blocks, x, start, c, eps, statistics);
            }
        }
    }

    /** Adds the sums of all partials to those of the first. */
    static void addPartials(double[] sums, int partials, int features) {
        for (int p = 1; p < partials; p++) {
            int at = p * features;
            for (int c = 0; c < features; c++) {
                sums[c] += sums[at + c];
            }
        }
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
