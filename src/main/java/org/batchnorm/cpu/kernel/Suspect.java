package org.batchnorm.cpu.kernel;

/**
 * Tells which features are suspect: those whose sums may have lost too many digits, so that their results must be made
 * again. With {@code delta = Σd / m}, the distance from the shift to the mean, and {@code meanSquare = Σd² / m}:
 *
 * <ul>
 *   <li>The shift may be <b>far</b> from the mean, as it is where the samples were unusual ones: then {@code variance =
 *       meanSquare − delta²} cancels, and float32 sums of large values have lost digits. A better shift mends it.
 *   <li>The values may be <b>out of range</b>: d² overflows float32 where |d| is beyond 1e19, and loses bits where it
 *       is below 1e-19. Double precision mends it.
 * </ul>
 *
 * The merges first take a quick look, in float32 and without a branch. It may take a good feature for suspect, never a
 * suspect one for good, and the thorough look of this class decides. So a feature's results do not depend on which
 * others are looked at together.
 */
public final class Suspect {
    /** Mean squares below this have lost bits to float32's underflow. */
    public static final float TINY = 1e-32f;

    /** Mean squares above this may have overflowed in float32. */
    private static final double HUGE = 1e37;

    /**
     * A variance times this overflows float32 before the mean square can be beyond {@link #HUGE}: the mean square is at
     * most 1 + {@code far} variances.
     */
    public static final float TOWARDS_OVERFLOW = 4096;

    /** How much stricter the quick look is than the thorough one. */
    public static final float STRICTER = 1.01f;

    private Suspect() {}

    /** Whether values are out of range. Those of a constant feature are not: all of them are the shift. */
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
