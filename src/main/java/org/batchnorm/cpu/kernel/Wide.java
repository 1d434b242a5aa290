package org.batchnorm.cpu.kernel;

/**
 * Tells which features are wide: those of which float32 does not hold all that an {@link Elementwise} kernel needs, so
 * that they are mapped in double precision. They are
 *
 * <ul>
 *   <li>those with a factor, {@code gamma · rstd} or the slope of the gradient, that overflows float32, or is so small
 *       that it has lost digits;
 *   <li>those with means so large that {@code x − mean} overflows for some x, which need not be one of this batch;
 *   <li>in the gradient through statistics those of two values, of which little but rounding is left.
 * </ul>
 *
 * Of ordinary data there are none. So the merges first look at all features at once, without a branch, and only where
 * that finds one they look at each.
 */
public final class Wide {
    /** Makes what is at least 2¹⁰³ overflow. Less, taken from any finite float32, leaves a finite one. */
    public static final float TOWARDS_OVERFLOW = 0x1p25f;

    /** Makes what is not 0 more than the least normal float32. */
    public static final float FROM_UNDERFLOW = 0x1p30f;

    /** Of so many values the gradient through statistics has a formula of its own. */
    public static final int TWO_VALUES = 2;

    private Wide() {}

    /**
     * The quick look.
     *
     * @param second whether the map has a second input, dy
     * @return whether no feature is wide
     */
    public static boolean isNone(PerFeature f, Coefficients c, boolean second, int from, int to) {
        float least = 0;
        for (int i = from; i < to; i++) {
            least = Math.min(least, room(c.scale[i], f.gamma[i], c.centre[i]));
        }
        return least >= 0 && (!second || isNoGradient(f, c, from, to));
    }

    private static boolean isNoGradient(PerFeature f, Coefficients c, int from, int to) {
        double[] dgamma = f.gradients.dgamma();
        double[] dbeta = f.gradients.dbeta();
        float least = 0;
        for (int i = from; i < to; i++) {
            // With a dgamma that is not large, x̂ · dgamma / m adds little to a large dy.
            float terms = (float) (Math.abs(dgamma[i]) + Math.abs(dbeta[i]));
            least = Math.min(least, room(c.slope[i], (float) dgamma[i], terms));
        }
        return least >= 0 && f.count > TWO_VALUES;
    }

    /** Marks those that are wide. */
    public static void mark(PerFeature f, Coefficients c, boolean second, int from, int to) {
        for (int i = isNone(f, c, second, from, to) ? to : from; i < to; i++) {
            if (!isNone(f, c, second, i, i + 1)) {
                c.scale[i] = Float.NaN;
                c.haveWide = true;
            }
        }
    }

    /**
     * Below 0, or NaN, where a feature is wide.
     *
     * @param product a factor of the map, which may be small where {@code factor}, what it is a product of, is 0
     * @param term what must not be large
     */
    private static float room(float product, float factor, float term) {
        // What overflows makes NaN when it is multiplied by 0.
        float finite = (Math.abs(product) + Math.abs(term) * TOWARDS_OVERFLOW) * 0;
        return finite + (Math.abs(product) - Math.min(Math.abs(factor) * FROM_UNDERFLOW, Float.MIN_NORMAL));
    }
}
