package org.batchnorm;

import java.util.OptionalDouble;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Remark;

/**
 * The immutable configuration of a {@link BatchNorm} layer, with PyTorch's defaults.
 *
 * @param features C, the number of features (channels), ≥ 1
 * @param eps added to the variance before the square root, {@code rstd = 1 / sqrt(var + eps)}; finite, &gt; 0
 * @param momentum the weight of the newest batch in {@code running = (1 − momentum) · running + momentum · batch}
 *     (PyTorch's convention; DJL and Keras use the complement, so a value from 0.5 on is remarked once in the log),
 *     within [0, 1]; empty for the cumulative average, {@code momentum = 1 / numBatchesTracked}
 * @param affine whether the layer has the parameters γ ({@code weight}) and β ({@code bias})
 * @param trackRunningStatistics whether the layer keeps running statistics for inference; without them inference uses
 *     the batch's own
 * @param elementType that of parameters, gradients of parameters and statistics: FLOAT32, whose batches may be of
 *     16-bit types, too; or FLOAT64, whose batches are of FLOAT64
 */
public record BatchNormConfig(
        int features,
        double eps,
        OptionalDouble momentum,
        boolean affine,
        boolean trackRunningStatistics,
        ElementType elementType) {

    /** PyTorch's default for {@code eps}. */
    public static final double DEFAULT_EPS = 1e-5;

    /** PyTorch's default for {@code momentum}. */
    public static final double DEFAULT_MOMENTUM = 0.1;

    private static final double PROBABLY_THE_COMPLEMENT = 0.5;

    /**
     * Checks the values.
     *
     * @throws IllegalArgumentException if one is out of range
     */
    public BatchNormConfig {
        requireFeatures(features);
        requireEps(eps);
        Arguments.requireGiven("momentum", momentum, "a number within [0, 1], or empty for the cumulative average");
        if (momentum.isPresent() && !(momentum.getAsDouble() >= 0 && momentum.getAsDouble() <= 1)) {
            throw new IllegalArgumentException("momentum: " + momentum.getAsDouble()
                    + " given, must be within [0, 1], or empty for the cumulative average");
        }
        requireElementType(elementType);
        remarkOn(momentum);
    }

    /** Of FLOAT32. */
    public BatchNormConfig(
            int features, double eps, OptionalDouble momentum, boolean affine, boolean trackRunningStatistics) {
        this(features, eps, momentum, affine, trackRunningStatistics, ElementType.FLOAT32);
    }

    static void requireElementType(ElementType type) {
        Arguments.requireGiven("elementType", type, "FLOAT32 or FLOAT64");
        if (type.is16Bit()) {
            throw new IllegalArgumentException("elementType: " + type + " given, must be FLOAT32 or FLOAT64; a layer of"
                    + " FLOAT32 takes batches of 16-bit types, and keeps its parameters in float32");
        }
    }

    private static void remarkOn(OptionalDouble momentum) {
        if (momentum.isPresent() && momentum.getAsDouble() >= PROBABLY_THE_COMPLEMENT) {
            Remark.MOMENTUM.sayOnce("momentum: " + momentum.getAsDouble()
                    + " given, the weight of the newest batch in running = (1 - momentum) * running + momentum * batch;"
                    + " the running statistics will follow the last batches. Keras, DJL and others mean the complement: there"
                    + " it would be " + (float) (1 - momentum.getAsDouble()) + " here");
        }
    }

    static void requireFeatures(int features) {
        if (features < 1) {
            throw new IllegalArgumentException("features: " + features + " given, must be at least 1");
        }
    }

    static void requireEps(double eps) {
        if (!(eps > 0) || Double.isInfinite(eps)) {
            throw new IllegalArgumentException("eps: " + eps + " given, must be a finite number greater than 0");
        }
    }

    /** The defaults of PyTorch's {@code BatchNorm1d(features)}: eps 1e-5, momentum 0.1, affine, tracked statistics. */
    public static BatchNormConfig of(int features) {
        return new BatchNormConfig(features, DEFAULT_EPS, OptionalDouble.of(DEFAULT_MOMENTUM), true, true);
    }

    /** The same with another momentum; empty for the cumulative average. */
    BatchNormConfig withMomentum(OptionalDouble newMomentum) {
        return new BatchNormConfig(features, eps, newMomentum, affine, trackRunningStatistics, elementType);
    }
}
