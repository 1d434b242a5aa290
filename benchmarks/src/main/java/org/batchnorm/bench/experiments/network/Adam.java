package org.batchnorm.bench.experiments.network;

import java.util.List;

/**
 * Adam (Kingma and Ba 2015, algorithm 1) with the paper's defaults β₁ = 0.9, β₂ = 0.999, ε = 1e-8. At step t:
 *
 * <ul>
 *   <li>{@code m = β₁·m + (1−β₁)·g};
 *   <li>{@code v = β₂·v + (1−β₂)·g²};
 *   <li>{@code m̂ = m / (1−β₁ᵗ)} and {@code v̂ = v / (1−β₂ᵗ)};
 *   <li>{@code value = value − learningRate · m̂ / (sqrt(v̂) + ε)}.
 * </ul>
 */
public final class Adam implements Optimizer {
    private static final float BETA1 = 0.9f;
    private static final float BETA2 = 0.999f;
    private static final float EPSILON = 1e-8f;

    private final List<Parameter> parameters;
    private final List<float[]> firstMoments;
    private final List<float[]> secondMoments;
    private final double learningRate;
    private int steps;

    /** For the given parameters, with moments of zero. */
    public Adam(List<Parameter> parameters, double learningRate) {
        this.parameters = List.copyOf(parameters);
        this.firstMoments = parameters.stream()
                .map(parameter -> new float[parameter.value().length])
                .toList();
        this.secondMoments = parameters.stream()
                .map(parameter -> new float[parameter.value().length])
                .toList();
        this.learningRate = learningRate;
    }

    @Override
    public void step() {
        steps++;
        float rate = (float) (learningRate / (1 - StrictMath.pow(BETA1, steps)));
        float correction = (float) (1 / (1 - StrictMath.pow(BETA2, steps)));
        for (int p = 0; p < parameters.size(); p++) {
            float[] value = parameters.get(p).value();
            float[] gradient = parameters.get(p).gradient();
            float[] m = firstMoments.get(p);
            float[] v = secondMoments.get(p);
            for (int i = 0; i < value.length; i++) {
                float g = gradient[i];
                m[i] = BETA1 * m[i] + (1 - BETA1) * g;
                v[i] = BETA2 * v[i] + (1 - BETA2) * g * g;
                value[i] -= rate * m[i] / ((float) Math.sqrt(v[i] * correction) + EPSILON);
            }
        }
    }
}
