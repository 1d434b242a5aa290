package org.batchnorm.bench.experiments.network;

import java.util.List;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The fully connected layer {@code y = x · W + b} with W of shape (inputs, outputs) and b of shape (outputs). Backward:
 * {@code dW = xᵀ · dy}, {@code db = Σ dy} over the rows, {@code dx = dy · Wᵀ}.
 */
public final class Linear implements Layer {
    private final int inputs;
    private final int outputs;
    private final float[] weight;
    private final float[] weightGradient;
    private final float[] bias;
    private final float[] biasGradient;

    /**
     * A layer with normally distributed weights and a bias of zeros.
     *
     * @param standardDeviation of the weights, see {@link #he} and {@link #glorot}
     * @param random where the weights come from
     */
    public Linear(int inputs, int outputs, double standardDeviation, RandomGenerator random) {
        this.inputs = inputs;
        this.outputs = outputs;
        weight = new float[Math.multiplyExact(inputs, outputs)];
        weightGradient = new float[weight.length];
        bias = new float[outputs];
        biasGradient = new float[outputs];
        for (int i = 0; i < weight.length; i++) {
            weight[i] = (float) (standardDeviation * random.nextGaussian());
        }
    }

    /** He et al. 2015: {@code sqrt(2 / inputs)}, which keeps the variance through rectifying activations. */
    public static Linear he(int inputs, int outputs, RandomGenerator random) {
        return new Linear(inputs, outputs, Math.sqrt(2.0 / inputs), random);
    }

    /** Glorot and Bengio 2010: {@code sqrt(2 / (inputs + outputs))}, for saturating activations and for outputs. */
    public static Linear glorot(int inputs, int outputs, RandomGenerator random) {
        return new Linear(inputs, outputs, Math.sqrt(2.0 / (inputs + outputs)), random);
    }

    @Override
    public int inputs() {
        return inputs;
    }

    @Override
    public int outputs() {
        return outputs;
    }

    @Override
    public void forward(int n, float[] x, float[] y, boolean training) {
        float[][] rows = Rows.of(weight, inputs, outputs);
        float[] sum = new float[outputs];
        for (int i = 0; i < n; i++) {
            System.arraycopy(bias, 0, sum, 0, outputs);
            Rows.addCombination(sum, x, i * inputs, 1, rows);
            System.arraycopy(sum, 0, y, i * outputs, outputs);
        }
    }

    @Override
    public void backward(int n, float[] x, float[] y, float[] dy, float @Nullable [] dx) {
        float[][] dyRows = Rows.of(dy, n, outputs);
        for (float[] row : dyRows) {
            for (int j = 0; j < outputs; j++) {
                biasGradient[j] += row[j];
            }
        }
        float[] sum = new float[outputs];
        for (int k = 0; k < inputs; k++) {
            System.arraycopy(weightGradient, k * outputs, sum, 0, outputs);
            Rows.addCombination(sum, x, k, inputs, dyRows);
            System.arraycopy(sum, 0, weightGradient, k * outputs, outputs);
        }
        if (dx != null) {
            float[][] columns = Rows.transposed(weight, inputs, outputs);
            float[] dxRow = new float[inputs];
            for (int i = 0; i < n; i++) {
                java.util.Arrays.fill(dxRow, 0);
                Rows.addCombination(dxRow, dy, i * outputs, 1, columns);
                System.arraycopy(dxRow, 0, dx, i * inputs, inputs);
            }
        }
    }

    @Override
    public List<Parameter> parameters() {
        return List.of(new Parameter("weight", weight, weightGradient), new Parameter("bias", bias, biasGradient));
    }
}
