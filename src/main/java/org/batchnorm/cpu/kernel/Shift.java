package org.batchnorm.cpu.kernel;

/**
 * The value that a {@link Reduction} subtracts from x or dy: near the mean, made of a few values that are evenly
 * spread. The largest and the smallest do not count, so that one outlier does not move it far.
 *
 * <p>It is rounded to a multiple of a power of two, about a sixteenth of the sampled range. A shift of full precision
 * would leave the same low bits to be rounded away in every {@code x − shift}, always to the same side, and the sum of
 * many would drift. The shift of a constant feature is that constant, exactly.
 *
 * <p>It is infinite or NaN where a sampled value is, or where their range is near the limits of float32. The sums are
 * then infinite or NaN, which tells the merges to make the feature again; any other shift would lead to the same.
 */
public final class Shift {
    /**
     * {@code (v + r · COARSENESS) − r · COARSENESS} rounds v to a multiple of about r / 16: as floats near 1.5 · 2¹⁹ ·
     * r are that far apart. The 1.5 keeps the sum between the same two powers of two, whatever the sign of v, while |v|
     * is less than 2¹⁸ · r.
     */
    public static final float COARSENESS = 0x1.8p19f;

    /** {@code (v + INTEGER) − INTEGER} rounds v to an integer. */
    public static final float INTEGER = 0x1.8p23f;

    /** The significance of samples of x, whose mean is always taken. */
    public static final float ANY = Float.POSITIVE_INFINITY;

    /** A significance with which any mean but 0 counts. */
    private static final float CERTAIN = 1e30f;

    private Shift() {}

    /** How often the largest and the smallest sample are taken from the sum: once, but not where there are only two. */
    public static float trim(int samples) {
        return samples > 2 ? 1 : 0;
    }

    /** What the sum of the samples that count is multiplied by, to make their mean. */
    public static float perSample(int samples) {
        return 1f / (samples > 2 ? samples - 2 : samples);
    }

    /**
     * The mean of samples of dy is taken for its shift only where it is plainly not zero: a shift by chance would cost
     * the digits that it is to save. It must be {@code 7 / samples} times their range, as normal values with mean 0
     * seldom are; of fewer than 8 samples much more. This times the mean by the range rounds to 0 below that. Where all
     * values are sampled, nothing is left to chance.
     *
     * @param all whether the samples are all values
     */
    public static float significance(int samples, boolean all) {
        float few = Math.min(samples, 8) / 8f;
        return all ? CERTAIN : few * few * few * few * Math.max(samples, 8) / 14f;
    }

    /** Whether no shift of dy is more than half wrong, by the sums about it. */
    public static boolean areRight(float[] shift, double[] sum, double count, int from, int to) {
        float largest = 0;
        for (int c = from; c < to; c++) {
            largest = Math.max(largest, Math.abs(shift[c]));
        }
        if (largest == 0) {
            return true;
        }
        double perValue = 1 / count;
        float least = 0;
        for (int c = from; c < to; c++) {
            float size = Math.abs(shift[c]);
            float wrong = Math.abs((float) (sum[c] * perValue));
            least = Math.min(least, (size - (wrong + wrong)) * size);
        }
        return least >= 0;
    }

    /**
     * The shift for some values.
     *
     * @param memory an array or a segment
     * @param start the position of the first
     * @param apart their distance
     * @param significance that of the samples of dy; {@link #ANY} of x
     */
    public static float sample(Object memory, long start, int samples, long apart, float significance) {
        float first = Memory.get(memory, start);
        float sum = 0;
        float least = 0;
        float most = 0;
        for (int i = 1; i < samples; i++) {
            float d = Memory.get(memory, start + i * apart) - first;
            sum += d;
            least = Math.min(least, d);
            most = Math.max(most, d);
        }
        float mean = first + (sum - (least + most) * trim(samples)) * perSample(samples);
        float range = most - least;
        float coarse = range * COARSENESS;
        float shift = (mean + coarse) - coarse;
        return significance == ANY ? shift : shift * certainty(mean, range, significance);
    }

    /**
     * A shift near a mean that is known, rounded as one of samples whose range is four deviations.
     *
     * @param deviation about the standard deviation
     */
    public static float near(double mean, double deviation) {
        float coarse = (float) deviation * 4 * COARSENESS;
        return ((float) mean + coarse) - coarse;
    }

    /** The same for the features {@code from} to {@code to}, whose mean and variance are known. */
    public static void near(float[] mean, float[] variance, float[] shift, int from, int to) {
        for (int c = from; c < to; c++) {
            float coarse = (float) Math.sqrt(variance[c]) * 4 * COARSENESS;
            shift[c] = (mean[c] + coarse) - coarse;
        }
    }

    /** 1 where a mean is plainly not zero, else 0. */
    public static float certainty(float mean, float range, float significance) {
        float distance = Math.abs(mean) * significance / (range + Float.MIN_NORMAL);
        return Math.min((distance + INTEGER) - INTEGER, 1);
    }
}
