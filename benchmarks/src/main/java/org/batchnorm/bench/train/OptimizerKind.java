package org.batchnorm.bench.train;

import java.util.List;
import java.util.Locale;
import org.batchnorm.bench.network.Adam;
import org.batchnorm.bench.network.Optimizer;
import org.batchnorm.bench.network.Parameter;
import org.batchnorm.bench.network.Sgd;

/** The optimizers that can be chosen. */
public enum OptimizerKind {
    /** Stochastic gradient descent with momentum 0.9. */
    SGD(0.05) {
        @Override
        public Optimizer create(List<Parameter> parameters, double learningRate) {
            return new Sgd(parameters, learningRate, Sgd.DEFAULT_MOMENTUM);
        }
    },

    /** Adam with its paper's constants. */
    ADAM(0.003) {
        @Override
        public Optimizer create(List<Parameter> parameters, double learningRate) {
            return new Adam(parameters, learningRate);
        }
    };

    private final double defaultLearningRate;

    OptimizerKind(double defaultLearningRate) {
        this.defaultLearningRate = defaultLearningRate;
    }

    /** As users write it. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** The learning rate where the user gives none. */
    public double defaultLearningRate() {
        return defaultLearningRate;
    }

    /** An optimizer of the given parameters. */
    public abstract Optimizer create(List<Parameter> parameters, double learningRate);
}
