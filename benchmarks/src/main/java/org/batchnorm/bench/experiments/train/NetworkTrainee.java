package org.batchnorm.bench.experiments.train;

import java.util.List;
import org.batchnorm.bench.experiments.network.BatchNormLayer;
import org.batchnorm.bench.experiments.network.Linear;
import org.batchnorm.bench.experiments.network.Optimizer;
import org.batchnorm.bench.experiments.network.Sequential;

/** A network in host memory, whose batch norm the library's layer runs. */
abstract class NetworkTrainee implements Trainee {
    /** The network under its loss. */
    final Classifier classifier;

    /** Of the network's parameters. */
    final Optimizer optimizer;

    private final String name;
    private final List<BatchNormLayer> batchNorms;
    private final Curve curve;

    /**
     * A network about to be trained.
     *
     * @param name what tells it from the others, in tables and files
     * @param network closed with this trainee
     * @param optimizer of the network's parameters
     * @param steps how many it will take at most
     */
    NetworkTrainee(String name, Sequential network, Optimizer optimizer, int steps) {
        this.name = name;
        this.classifier = new Classifier(network);
        this.optimizer = optimizer;
        this.batchNorms = network.layers().stream()
                .filter(BatchNormLayer.class::isInstance)
                .map(BatchNormLayer.class::cast)
                .toList();
        this.curve = new Curve(steps);
    }

    @Override
    public final String name() {
        return name;
    }

    @Override
    public final Curve curve() {
        return curve;
    }

    @Override
    public final boolean hasBatchNorm() {
        return !batchNorms.isEmpty();
    }

    @Override
    public final String place() {
        return batchNorms.isEmpty() ? "" : batchNorms.getFirst().backendName();
    }

    /**
     * The time that batch norm and the activations have taken so far: what is not in linear layers. Where batch norm
     * does the activation, they cannot be told apart.
     */
    final long betweenLinearNanos() {
        return classifier.network().nanos(layer -> !(layer instanceof Linear));
    }

    @Override
    public final void close() {
        classifier.close();
    }
}
