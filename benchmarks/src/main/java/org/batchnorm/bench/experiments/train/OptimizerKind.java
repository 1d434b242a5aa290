package org.batchnorm.bench.experiments.train;

import java.util.Locale;
import org.batchnorm.bench.experiments.network.Sgd;

/** The optimizers that can be chosen. */
public enum OptimizerKind {
    /** Stochastic gradient descent with momentum 0.9. */
    SGD(new UpdateRule.Descent(Sgd.DEFAULT_MOMENTUM), 0.05, 0.2),

    /** Adam with its paper's constants. */
    ADAM(new UpdateRule.Adam(), 0.003, 0.01);

    @SuppressWarnings("ImmutableEnumChecker") // A record of numbers.
    private final UpdateRule rule;

    private final double textbookLearningRate;
    private final double paperLearningRate;

    OptimizerKind(UpdateRule rule, double textbookLearningRate, double paperLearningRate) {
        this.rule = rule;
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

    /** What the optimizer does with a gradient. */
    public UpdateRule rule() {
        return rule;
    }
}
