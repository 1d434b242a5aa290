package org.batchnorm.bench.experiments.train;

import java.util.Optional;
import java.util.function.Function;
import java.util.function.IntFunction;
import org.batchnorm.BatchNorm;
import org.batchnorm.BatchNormBuilder;
import org.batchnorm.bench.experiments.network.BatchNormLayer;
import org.batchnorm.bench.experiments.network.Sequential;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;

/**
 * A network and batch norm's part in it.
 *
 * @param kind the network
 * @param placement where batch norm stands
 * @param fused the activations that batch norm does in its own passes over memory; the network has the others as layers
 */
public record Architecture(NetworkKind kind, Placement placement, Activations fused) {

    /** Activations are layers of their own. */
    public static Architecture unfused(NetworkKind kind, Placement placement) {
        return new Architecture(kind, placement, Activations.NONE);
    }

    /** Batch norm does the activations that it can do. What comes out is the same, but for rounding. */
    public static Architecture fused(NetworkKind kind, Placement placement) {
        return new Architecture(kind, placement, kind.fusible(placement));
    }

    /** The same where batch norm does no activation after it, as where its statistics are those of several ranks. */
    public Architecture withoutFusedOutput() {
        return new Architecture(kind, placement, fused.withOutput(Activation.NONE));
    }

    /**
     * Builds the network.
     *
     * @param batchNorm completes the builder of the library's layer, which has the activations already; empty for the
     *     same network without
     * @param seed of the initial weights, which are the same with batch norm and without
     */
    public Sequential build(
            int inputs, int classes, Optional<Function<BatchNormBuilder, BatchNorm>> batchNorm, long seed) {
        return kind.build(inputs, classes, placement, batchNorm.map(this::layers), seed);
    }

    private IntFunction<BatchNormLayer> layers(Function<BatchNormBuilder, BatchNorm> batchNorm) {
        return features -> {
            BatchNormBuilder builder =
                    BatchNorm.builder(features).inputActivation(fused.input()).activation(fused.output());
            return new BatchNormLayer(batchNorm.apply(builder), fused);
        };
    }
}
