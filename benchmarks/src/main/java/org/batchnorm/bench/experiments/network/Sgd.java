package org.batchnorm.bench.experiments.network;

import java.util.List;

/**
 * Stochastic gradient descent with momentum, as PyTorch defines it: {@code velocity = momentum · velocity + gradient},
 * {@code value = value − learningRate · velocity}.
 */
public final class Sgd implements Optimizer {

    /** The usual momentum. */
    public static final double DEFAULT_MOMENTUM = 0.9;

    private final List<Parameter> parameters;
    private final List<float[]> velocities;
    private final float learningRate;
    private final float momentum;

    /** For the given parameters, with velocities of zero. */
    public Sgd(List<Parameter> parameters, double learningRate, double momentum) {
        this.parameters = List.copyOf(parameters);
        this.velocities = parameters.stream()
                .map(parameter -> new float[parameter.value().length])
                .toList();
        this.learningRate = (float) learningRate;
        this.momentum = (float) momentum;
    }

    @Override
    public void step() {
        for (int p = 0; p < parameters.size(); p++) {
            float[] value = parameters.get(p).value();
            float[] gradient = parameters.get(p).gradient();
            float[] velocity = velocities.get(p);
            for (int i = 0; i < value.length; i++) {
                velocity[i] = momentum * velocity[i] + gradient[i];
                value[i] -= learningRate * velocity[i];
            }
        }
    }
}
