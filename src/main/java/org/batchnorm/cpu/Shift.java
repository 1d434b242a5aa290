package org.batchnorm.cpu;

/**
 * The value that {@link CollectStatistics} subtracts: near the mean, from a few values that lie evenly spread. The
 * largest and the smallest do not count, so that one outlier does not move it far.
 *
 * <p>It is rounded to a multiple of a power of two, about a sixteenth of the sampled range. A shift of full precision
 * would leave the same low bits to be rounded away in every {@code x − shift}, always to the same side, and the sum of
 * many would drift. The shift of a constant feature is that constant, exactly.
 *
 * <p>It is infinite or NaN where a sampled value is, or where their range is near the limits of float32. The sums are
 * then NaN, which tells {@link MergeStatistics} to do the feature again; so it would with any other shift.
 */
final class Shift {
    /**
     * {@code (v + r · COARSENESS) − r · COARSENESS} rounds v to about r / 16: half of the 24 bits' worth of r, and a
     * half of that again to stay within its binade.
     */
    static final float COARSENESS = 0x1.8p19f;

    private Shift() {}

    /** The shift for values that lie {@code apart} from each other. */
    static float sample(Object x, long start, int samples, long apart) {
        float first = Memory.get(x, start);
        float sum = 0;
        float least = 0;
        float most = 0;
        for (int i = 1; i < samples; i++) {
            float d = Memory.get(x, start + i * apart) - first;
            sum += d;
            least = Math.min(least, d);
            most = Math.max(most, d);
        }
        float mean = first + (samples > 2 ? (sum - least - most) / (samples - 2) : sum / samples);
        float coarse = (most - least) * COARSENESS;
        return (mean + coarse) - coarse;
    }
}
