package org.batchnorm.spi;

/**
 * What in-place training asks of a layer, whose backward makes x̂ of y: with {@code y = activation(z)} and {@code z =
 * gamma · x̂ + beta} it is {@code z = activation⁻¹(y)} and {@code x̂ = (z − beta) / gamma}.
 *
 * <p>What rounding took from y, times 1/γ, is missing in x̂: with u = 2⁻²⁴, or 2⁻⁵³ in FLOAT64, about {@code u · (|x̂|
 * + |beta / gamma|)}. So γ must not be small beside its β.
 *
 * <p>Source: Rota Bulò, Porzi &amp; Kontschieder 2018, "In-Place Activated BatchNorm for Memory-Optimized Training of
 * DNNs".
 */
public final class InputFromOutput {
    /** |β / γ| may be so large: ten bits of x̂ are lost then. */
    private static final double MOST_OFFSET = 1024;

    /** |γ| must be so large that z is far from float32's subnormal numbers, behind any of the slopes, too. */
    private static final double LEAST_GAMMA = 0x1p-32;

    private static final float LEAST_SLOPE = 1e-6f;
    private static final float LARGEST_SLOPE = 1e6f;

    private InputFromOutput() {}

    /**
     * Why x̂ cannot be made of y.
     *
     * @return a clause for the message of the refusal, which says what would do; "" if it can be made
     */
    public static String problem(Activations activations) {
        if (!activations.input().isNone()) {
            return "inputActivation, too, whose input cannot be told from y; do that activation outside of the layer,"
                    + " or keep x";
        }
        float slope = activations.output().negativeSlope();
        if (!(slope >= LEAST_SLOPE && slope <= LARGEST_SLOPE)) {
            return "the activation " + activations.output() + " cannot be undone; must be none, or leakyRelu with a"
                    + " slope of 1e-6 to 1e6";
        }
        return "";
    }

    /**
     * Checks the parameters of a feature.
     *
     * @throws IllegalArgumentException if |γ| is less than |β| / 1024, or not within 2⁻³² to 2³²; the message names the
     *     feature
     */
    public static void requireRecoverable(int feature, double gamma, double beta) {
        double least = Math.max(Math.abs(beta) / MOST_OFFSET, LEAST_GAMMA);
        if (!(Math.abs(gamma) >= least && Math.abs(gamma) <= 1 / LEAST_GAMMA)) {
            throw new IllegalArgumentException("gamma[" + feature + "]: " + gamma + " beside beta[" + feature + "] of "
                    + beta + ", so that the input cannot be recomputed from the output; must be |beta| / 1024 or more,"
                    + " and 2^-32 to 2^32; where parameters are not kept so, build without recomputeInputFromOutput");
        }
    }
}
