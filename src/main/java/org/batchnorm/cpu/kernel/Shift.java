package org.batchnorm.cpu.kernel;

/**
 * The value that a {@link Reduction} subtracts from x or dy: near the mean, the mean of a few values that are evenly
 * spread. Where these were unusual ones, the sums tell, and the feature is reduced again about another shift.
 *
 * <p>It is rounded to a multiple of a power of two, about a quarter of the samples' spread. A shift of full precision
 * would leave the same low bits to be rounded away in every {@code x − shift}, always to the same side, and the sum of
 * many would drift. The shift of a constant feature is that constant, exactly.
 *
 * <p>It is infinite or NaN where a sampled value is, or where their spread is near the limits of float32. The sums are
 * then infinite or NaN, which tells the merges to make the feature again; any other shift would lead to the same.
 */
public final class Shift {
    /**
     * {@code (v + s · COARSENESS) − s · COARSENESS} rounds v to a multiple of about s / 4: as floats near 1.5 · 2²¹ · s
     * are that far apart. The 1.5 keeps the sum between the same two powers of two, whatever the sign of v, while |v|
     * is less than 2²⁰ · s.
     */
    public static final float COARSENESS = 0x1.8p21f;

    /** {@code (v + INTEGER) − INTEGER} rounds v to an integer. */
    private static final float INTEGER = 0x1.8p23f;

    /** A shift of dy is believed to be no further from the mean than so many spreads of the samples. */
    private static final float SPREADS = 8;

    private Shift() {}

    /**
     * Leaves a shift only to those features whose mean of dy is not near 0: at least half a spread. The sum of dy,
     * which is dbeta, would lose digits by another, and the products gain few.
     */
    public static void keepSignificant(Coefficients c, int from, int to) {
        for (int i = from; i < to; i++) {
            float distance = Math.abs(c.dyShift[i]) / (c.spread[i] + Float.MIN_NORMAL);
            c.dyShift[i] *= Math.min((distance + INTEGER) - INTEGER, 1);
        }
    }

    /**
     * Whether no shift of dy is plainly wrong, by the sums about it: by more than half, and by far more than the
     * samples differed. A shift of 0 is not: where most gradients are 0, the samples may well have been.
     */
    public static boolean areRight(Coefficients c, double[] sum, double count, int from, int to) {
        double perValue = 1 / count;
        float least = 0;
        for (int i = from; i < to; i++) {
            float size = Math.abs(c.dyShift[i]);
            float wrong = Math.abs((float) (sum[i] * perValue));
            least = Math.min(least, (size / 2 + c.spread[i] * SPREADS - wrong) * size);
        }
        return least >= 0;
    }

    /**
     * Makes the shift of some values, and their spread: their mean distance from the first.
     *
     * @param o those of dy where there is one, else of x; as batch norm has them, behind or before activations
     * @param at the position of the first
     * @param positions those of all, from there
     * @param samples how many
     * @param into out: the shift and the spread, at {@code index}
     */
    public static void sample(Operands o, long at, long[] positions, int samples, Coefficients into, int index) {
        float first = value(o, at, index);
        float sum = 0;
        float distances = 0;
        for (int i = 1; i < samples; i++) {
            float d = value(o, at + positions[i], index) - first;
            sum += d;
            distances += Math.abs(d);
        }
        float perSample = 1f / samples;
        float spread = distances * perSample;
        (o.hasSecond() ? into.dyShift : into.shift)[index] = rounded(first + sum * perSample, spread);
        into.spread[index] = spread;
    }

    private static float value(Operands o, long at, int index) {
        return o.hasSecond() ? o.gradient(at, index) : o.value(at);
    }

    private static float rounded(float mean, float deviation) {
        float coarse = deviation * COARSENESS;
        return (mean + coarse) - coarse;
    }

    /**
     * A shift near a mean that is known.
     *
     * @param deviation about the standard deviation
     */
    public static float near(double mean, double deviation) {
        return rounded((float) mean, (float) deviation);
    }
}
