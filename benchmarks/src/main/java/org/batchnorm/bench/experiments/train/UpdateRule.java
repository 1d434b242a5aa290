package org.batchnorm.bench.experiments.train;

import java.util.List;
import org.batchnorm.bench.experiments.network.Optimizer;
import org.batchnorm.bench.experiments.network.Parameter;
import org.batchnorm.bench.experiments.network.Sgd;

/** How parameters follow their gradients, in host memory or on a device. The learning rate comes with the training. */
public sealed interface UpdateRule {

    /** The rule at work on parameters in host memory. */
    Optimizer optimizer(List<Parameter> parameters, double learningRate);

    /**
     * Stochastic gradient descent as {@link Sgd} defines it.
     *
     * @param momentum within [0, 1); 0 for plain descent
     */
    record Descent(double momentum) implements UpdateRule {
        @Override
        public Optimizer optimizer(List<Parameter> parameters, double learningRate) {
            return new Sgd(parameters, learningRate, momentum);
        }
    }

    /** Adam with its paper's constants. */
    record Adam() implements UpdateRule {
        @Override
        public Optimizer optimizer(List<Parameter> parameters, double learningRate) {
            return new org.batchnorm.bench.experiments.network.Adam(parameters, learningRate);
        }
    }
}
