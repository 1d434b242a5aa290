package org.batchnorm.bench.experiments.papers;

import java.util.function.IntFunction;
import org.batchnorm.bench.experiments.network.Layer;
import org.batchnorm.bench.experiments.network.LeakyReLU;
import org.batchnorm.bench.experiments.network.Sequential;
import org.batchnorm.bench.experiments.network.Sigmoid;
import org.jspecify.annotations.Nullable;

/** The networks of several experiments: hidden layers of 100, the same initial weights for all variants of a seed. */
final class Networks {
    static final int WIDTH = 100;

    private Networks() {}

    /**
     * Ioffe and Szegedy 2015, section 4.1: three layers of sigmoids, weights N(0, 0.1²). Batch norm stands between the
     * linear layer, whose bias is kept, and the sigmoid.
     *
     * @param norm makes it for a width; null for none
     */
    static Sequential sigmoids(Trial trial, @Nullable IntFunction<? extends Layer> norm) {
        NetworkBuilder network = new NetworkBuilder(trial.setting().inputs(), trial.weights());
        for (int layer = 0; layer < 3; layer++) {
            network.linear(WIDTH, 0.1).addIfAny(norm).add(Sigmoid::new);
        }
        return network.linear(trial.setting().classes(), 0.1).build();
    }

    /** The same with rectifiers and their initial weights (He et al. 2015), which learn without batch norm, too. */
    static Sequential rectifiers(Trial trial, int hiddenLayers, @Nullable IntFunction<? extends Layer> norm) {
        NetworkBuilder network = new NetworkBuilder(trial.setting().inputs(), trial.weights());
        for (int layer = 0; layer < hiddenLayers; layer++) {
            network.he(WIDTH).addIfAny(norm).add(LeakyReLU::new);
        }
        return network.glorot(trial.setting().classes()).build();
    }
}
