package org.batchnorm.bench.experiments.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.function.IntFunction;
import org.batchnorm.bench.experiments.network.BatchNormLayer;
import org.batchnorm.bench.experiments.network.Layer;
import org.batchnorm.bench.experiments.network.LeakyReLU;
import org.batchnorm.bench.experiments.network.Linear;
import org.batchnorm.bench.experiments.network.Sequential;
import org.batchnorm.bench.experiments.network.Sigmoid;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;

/**
 * The networks that can be trained: hidden layers of fixed widths with one kind of activation, and a linear layer to
 * the classes.
 */
public enum NetworkKind {
    /** Hidden layers of 200, 100 and 50 with LeakyReLU and batch norm after it; initial weights of He et al. 2015. */
    TEXTBOOK(Placement.AFTER, 200, 100, 50) {
        @Override
        Linear linear(int inputs, int outputs, Random random) {
            return Linear.he(inputs, outputs, random);
        }

        @Override
        Layer activation(int width) {
            return new LeakyReLU(width);
        }

        @Override
        Activation fusible() {
            return Activation.leakyRelu(LeakyReLU.DEFAULT_SLOPE);
        }
    },

    /**
     * Three sigmoid layers of 100 with batch norm before them (Ioffe and Szegedy 2015, section 4.1); initial weights of
     * Glorot and Bengio 2010.
     */
    PAPER(Placement.BEFORE, 100, 100, 100) {
        @Override
        Linear linear(int inputs, int outputs, Random random) {
            return Linear.glorot(inputs, outputs, random);
        }

        @Override
        Layer activation(int width) {
            return new Sigmoid(width);
        }
    };

    private final Placement defaultPlacement;

    @SuppressWarnings("ImmutableEnumChecker") // Made by List.of.
    private final List<Integer> hiddenWidths;

    NetworkKind(Placement defaultPlacement, Integer... hiddenWidths) {
        this.defaultPlacement = defaultPlacement;
        this.hiddenWidths = List.of(hiddenWidths);
    }

    abstract Linear linear(int inputs, int outputs, Random random);

    abstract Layer activation(int width);

    /** The activation, if the library's layer can do it; else none. */
    Activation fusible() {
        return Activation.NONE;
    }

    /** What batch norm at that place can do of the network's activation in its own passes over memory. */
    Activations fusible(Placement placement) {
        return placement == Placement.AFTER
                ? Activations.NONE.withInput(fusible())
                : Activations.NONE.withOutput(fusible());
    }

    /** As users write it. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Where this network usually has batch norm. */
    public Placement defaultPlacement() {
        return defaultPlacement;
    }

    /**
     * Builds the network.
     *
     * @param batchNorm makes batch norm for a number of features, which may do the activation as well; empty for the
     *     same network without
     * @param seed of the initial weights, which are the same with batch norm and without
     */
    Sequential build(
            int inputs, int classes, Placement placement, Optional<IntFunction<BatchNormLayer>> batchNorm, long seed) {
        Random random = new Random(seed);
        List<Layer> layers = new ArrayList<>();
        int width = inputs;
        for (int hidden : hiddenWidths) {
            layers.add(linear(width, hidden, random));
            Optional<BatchNormLayer> normalizing = batchNorm.map(make -> make.apply(hidden));
            boolean separate =
                    normalizing.stream().allMatch(layer -> layer.activations().areNone());
            if (separate && placement == Placement.AFTER) {
                layers.add(activation(hidden));
            }
            normalizing.ifPresent(layers::add);
            if (separate && placement == Placement.BEFORE) {
                layers.add(activation(hidden));
            }
            width = hidden;
        }
        layers.add(Linear.glorot(width, classes, random));
        return new Sequential(layers);
    }
}
