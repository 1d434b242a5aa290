package org.batchnorm.bench.experiments.network;

/**
 * A rule by which the parameters of one network follow their gradients. It keeps its state (velocities, moments)
 * between the steps.
 */
public interface Optimizer {

    /** Moves every parameter by one step. Leaves the gradients as they are. */
    void step();
}
