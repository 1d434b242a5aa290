package org.batchnorm.bench.experiments.papers;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import java.util.random.RandomGenerator;
import org.batchnorm.bench.experiments.network.Layer;
import org.batchnorm.bench.experiments.network.Linear;
import org.batchnorm.bench.experiments.network.Sequential;
import org.jspecify.annotations.Nullable;

/** Puts a network together, layer by layer. */
final class NetworkBuilder {
    private final List<Layer> layers = new ArrayList<>();
    private final RandomGenerator random;
    private int width;

    /**
     * A network without layers yet.
     *
     * @param random where initial weights come from
     */
    NetworkBuilder(int inputs, RandomGenerator random) {
        this.width = inputs;
        this.random = random;
    }

    /** A linear layer whose weights have the given standard deviation, or its bias of zeros. */
    NetworkBuilder linear(int outputs, double standardDeviation) {
        layers.add(new Linear(width, outputs, standardDeviation, random));
        width = outputs;
        return this;
    }

    /** A linear layer with the weights of He et al. 2015, for rectifying activations. */
    NetworkBuilder he(int outputs) {
        return linear(outputs, Math.sqrt(2.0 / width));
    }

    /** A linear layer with the weights of Glorot and Bengio 2010, for saturating activations. */
    NetworkBuilder glorot(int outputs) {
        return linear(outputs, Math.sqrt(2.0 / (width + outputs)));
    }

    /** A layer from the width that the network has so far to another. */
    NetworkBuilder to(int outputs, IntFunction<? extends Layer> layer) {
        add(layer);
        width = outputs;
        return this;
    }

    /** A layer of the width that the network has so far. */
    NetworkBuilder add(IntFunction<? extends Layer> layer) {
        layers.add(layer.apply(width));
        return this;
    }

    /** The same, and nothing for null. */
    NetworkBuilder addIfAny(@Nullable IntFunction<? extends Layer> layer) {
        return layer == null ? this : add(layer);
    }

    Sequential build() {
        return new Sequential(layers);
    }
}
