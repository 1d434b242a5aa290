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
    SGD(0.05, 0.2) {
        @Override
        public Optimizer create(List<Parameter> parameters, double learningRate) {
            return new Sgd(parameters, learningRate, Sgd.DEFAULT_MOMENTUM);
        }
    },

    /** Adam with its paper's constants. */
    ADAM(0.003, 0.01) {
        @Override
        public Optimizer create(List<Parameter> parameters, double learningRate) {
            return new Adam(parameters, learningRate);
        }
    };

    private final double textbookLearningRate;
    private final double paperLearningRate;

    OptimizerKind(double textbookLearningRate, double paperLearningRate) {
        this.textbookLearningRate = textbookLearningRate;
        this.paperLearningRate = paperLearningRate;
    }

    /** As users write it. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * The learning rate where the user gives none. It favours the network without batch norm: on the digits that one
     * learned about as fast as at the best of the rates that were tried (several seeds each), and steadily.
     */
    public double defaultLearningRate(NetworkKind network) {
        return switch (network) {
            case TEXTBOOK -> textbookLearningRate;
            case PAPER -> paperLearningRate;
        };
    }

    /** An optimizer of the given parameters. */
    public abstract Optimizer create(List<Parameter> parameters, double learningRate);
}
