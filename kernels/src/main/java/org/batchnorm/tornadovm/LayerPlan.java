package org.batchnorm.tornadovm;

import java.util.OptionalLong;
import java.util.regex.Pattern;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.InputFromOutput;
import org.batchnorm.tornadovm.kernels.MergeStatistics;
import org.batchnorm.tornadovm.kernels.ReduceGradients;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * What of a layer is fixed before there is a graph: its name, configuration and largest batch, and how that is laid
 * over the device.
 *
 * @param prefix what its task names begin with
 * @param config the layer's configuration
 * @param maxShape the shape of the largest batch
 * @param activations what the kernels do beside batch normalization
 * @param recomputes whether a backward is given y where it is else given x
 * @param device decides grids and work-group sizes
 * @param tiling of maxShape on the device
 */
record LayerPlan(
        String prefix,
        BatchNormConfig config,
        BatchShape maxShape,
        Activations activations,
        boolean recomputes,
        DeviceLimits device,
        Tiling tiling) {
    private static final Pattern PREFIX = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");

    /**
     * The plan of a layer.
     *
     * @throws IllegalArgumentException if the prefix is not a name, if the shape has other features than the
     *     configuration, no values, or more than TornadoVM can address, or if activations keep x̂ from being recomputed
     */
    static LayerPlan of(
            String prefix,
            BatchNormConfig config,
            BatchShape maxShape,
            Activations activations,
            boolean recomputes,
            DeviceLimits device) {
        if (!PREFIX.matcher(prefix).matches()) {
            throw new IllegalArgumentException("prefix: \"" + prefix
                    + "\" given, must be letters, digits and underscores, and begin with no digit");
        }
        if (maxShape.c() != config.features()) {
            throw new IllegalArgumentException("maxShape: " + maxShape + " has " + maxShape.c()
                    + " features, the configuration has " + config.features());
        }
        if (maxShape.elements() < 1) {
            throw new IllegalArgumentException(
                    "maxShape: " + maxShape + " has no values, must have at least 1 sample and 1 position");
        }
        String problem = recomputes ? InputFromOutput.problem(activations) : "";
        if (!problem.isEmpty()) {
            throw new IllegalArgumentException("recomputeInputFromOutput: true given, but " + problem);
        }
        return new LayerPlan(prefix, config, maxShape, activations, recomputes, device, Tiling.of(maxShape, device));
    }

    /** The same without the activation after batch norm. */
    LayerPlan withoutOutput() {
        Activations before = activations.withOutput(Activation.NONE);
        return new LayerPlan(prefix, config, maxShape, before, recomputes, device, tiling);
    }

    /** Whether batches, parameters and statistics are float64; its kernels are in two stages. */
    boolean isFloat64() {
        return config.elementType() == ElementType.FLOAT64;
    }

    /** The tile of the forward in one kernel, if a work-group can keep its part of x. */
    OptionalLong forwardOnChip() {
        return tiling.onChip(maxShape, 1, device);
    }

    /**
     * The tile of the backward in one kernel, if a work-group can keep its part of x and dy. With activations, or of y,
     * it is two stages: without, sums in pairs of float32 take nearly all registers of a work-item that were granted to
     * it.
     */
    OptionalLong backwardOnChip() {
        return activations.areNone() && !recomputes ? tiling.onChip(maxShape, 2, device) : OptionalLong.empty();
    }

    /** The negative slope of the activation before batch norm; 1 for none. */
    float inputSlope() {
        return activations.input().negativeSlope();
    }

    /** The negative slope of the activation after batch norm; 1 for none. */
    float outputSlope() {
        return activations.output().negativeSlope();
    }

    /** In what sums of gradients are taken: of {@link ReduceGradients}. */
    int kindOfSums() {
        return device.fastFloat64() ? ReduceGradients.FLOAT64 : ReduceGradients.PAIRS;
    }

    /** What a backward is given: of {@link ReduceGradients}. */
    int given() {
        return recomputes ? ReduceGradients.OUTPUT : ReduceGradients.INPUT;
    }

    /** How the running statistics follow: {@code tracking} of {@link MergeStatistics}. */
    int tracking() {
        if (!config.trackRunningStatistics()) {
            return MergeStatistics.UNTRACKED;
        }
        return config.momentum().isPresent() ? MergeStatistics.EXPONENTIAL : MergeStatistics.CUMULATIVE;
    }

    // ---- checks

    /** What training asks of the largest batch. */
    void requireTwoValues() {
        if (maxShape.valuesPerFeature() < 2) {
            throw new IllegalArgumentException(
                    "maxShape: " + maxShape + " given, training expects more than 1 value per feature");
        }
    }

    /** What training asks of every batch; after its tasks were added, as a piece that is refused asks for nothing. */
    void keepTwoValues(SampleCount samples) {
        int least = maxShape.spatial() == 1 ? 2 : 1;
        samples.requireAtLeast(least, "at least " + least + ", because training expects more than 1 value per feature");
    }

    void requireSamples(SampleCount samples) {
        if (samples.max() > maxShape.n()) {
            throw new IllegalArgumentException("samples: at most " + samples.max() + " given, the shape " + maxShape
                    + " has at most " + maxShape.n());
        }
    }

    /**
     * An array that can hold the largest batch, of a type that the layer and the device take.
     *
     * @throws IllegalArgumentException if it cannot
     */
    void requireBatch(String name, TornadoNativeArray array) {
        String given = name + ": " + array.getClass().getSimpleName() + " given, ";
        if (isFloat64()) {
            if (!(array instanceof DoubleArray)) {
                throw new IllegalArgumentException(given + "must be a DoubleArray, as the layer is of FLOAT64; a"
                        + " configuration of FLOAT32 is for the others");
            }
        } else {
            requireNoFloat64(given, array);
        }
        if (array.getSize() < maxShape.elements()) {
            throw new IllegalArgumentException(name + ": an array of " + array.getSize() + " values given, " + maxShape
                    + " needs " + maxShape.elements());
        }
    }

    /**
     * The output of a forward that a backward may follow.
     *
     * @throws IllegalArgumentException if it is none, or if x̂ is to be recomputed of it and its type has too few
     *     digits
     */
    void requireOutput(TornadoNativeArray y) {
        requireBatch("y", y);
        if (recomputes
                && BatchArray.of(y).filter(kind -> kind != BatchArray.FLOAT32).isPresent()) {
            throw new IllegalArgumentException("y: " + y.getClass().getSimpleName() + " given, of which the input is"
                    + " recomputed with too few digits; must be a FloatArray, or build without"
                    + " recomputeInputFromOutput");
        }
    }

    /** What a backward is given: x, or y in its place. */
    void requireGiven(TornadoNativeArray x) {
        if (recomputes) {
            requireOutput(x);
        } else {
            requireBatch("x", x);
        }
    }

    /** Before a residual is added to BN(x). */
    void requireResidualAllowed(String argument) {
        if (recomputes) {
            throw new IllegalArgumentException(argument + ": given, but the input cannot be recomputed from an output"
                    + " to which a residual was added; add it outside, or build without recomputeInputFromOutput");
        }
    }

    private void requireNoFloat64(String given, TornadoNativeArray array) {
        BatchArray kind = BatchArray.of(array)
                .orElseThrow(() -> new IllegalArgumentException(given + "must be a FloatArray, or on TornadoVM's"
                        + " backend CUDA a HalfFloatArray or a BFloat16Array, as the layer is of FLOAT32; a"
                        + " configuration of FLOAT64 is for DoubleArrays"));
        if (kind != BatchArray.FLOAT32 && !device.takes16Bit()) {
            throw new IllegalArgumentException(given + "must be a FloatArray: " + DeviceLimits.WHY_NOT_16_BIT);
        }
    }

    /** An array of moments or sums that is the layer's. */
    void requireSummary(String name, DoubleArray array) {
        Summaries.requireSize(name, array, config.features(), config.elementType());
    }

    void requireAffine(String what) {
        if (!config.affine()) {
            throw new IllegalStateException(what + ": the layer has no affine parameters");
        }
    }

    void requireTracking(String what) {
        if (!config.trackRunningStatistics()) {
            throw new IllegalStateException(what + ": the layer tracks no running statistics");
        }
    }
}
