package org.batchnorm.cpu.kernel;

/**
 * Features whose sums may have lost too much: {@code delta = Σd / m} is the distance from the shift to the mean, and
 * {@code meanSquare = Σd² / m}.
 *
 * <ul>
 *   <li>The shift is <b>far</b> from the mean, as it is where the sampled rows are the unusual ones: {@code variance =
 *       meanSquare − delta²} cancels, and float32 sums of large values have lost digits. A better shift mends it.
 *   <li>The values are <b>out of range</b>: d² overflows float32 where |d| is beyond 1e19, and loses bits below 1e-19.
 *       Double precision mends it.
 * </ul>
 *
 * A quick look, which the merges take in float32 and without a branch, may take a sound feature for suspect, never the
 * other way round. So results do not depend on which features are looked at together.
 */
public final class Suspect {
    /** Mean squares below this have lost bits to float32's underflow. */
    public static final float TINY = 1e-32f;

    /** Mean squares above this may have overflowed in float32. */
    private static final double HUGE = 1e37;

    /** A variance times this leaves float32 before a mean square can be huge, whatever {@code far}. */
    public static final float TOWARDS_OVERFLOW = 4096;

    /** How much stricter the quick look is than the thorough one. */
    public static final float STRICTER = 1.01f;

    private Suspect() {}

    /** Whether values are out of range; those of a constant feature, all of them the shift, are not. */
    public static boolean isOutOfRange(double delta, double meanSquare) {
        boolean inRange = meanSquare > TINY && meanSquare < HUGE;
        boolean constant = meanSquare == 0 && delta == 0;
        return !inRange && !constant;
    }

    /**
     * Whether the shift is far from the mean.
     *
     * @param far beyond this ratio of delta² to the variance
     */
    public static boolean isFar(double delta, double meanSquare, double far) {
        return !(delta * delta * (1 + far) <= far * meanSquare);
    }
}
