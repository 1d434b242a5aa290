package org.batchnorm;

import java.util.Random;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.BatchShape;

/**
 * Random inputs of one training step.
 *
 * @param shape of x and dy
 * @param x roughly normal: each feature has its own mean and spread
 * @param dy standard normal
 * @param weight around one
 * @param bias standard normal
 */
@SuppressWarnings("ArrayRecordComponent") // a bundle of inputs, never compared
public record Values(BatchShape shape, float[] x, float[] dy, float[] weight, float[] bias) {

    /** Odd, and no factor of a C or S of the tests: zeros of either sign fall on every feature. */
    private static final int ZEROS_APART = 19;

    /** The same for the same shape and seed. */
    public static Values random(BatchShape shape, long seed) {
        return random(shape, seed, 0, 1);
    }

    /** With features around {@code mean} that spread about {@code spread}. */
    public static Values random(BatchShape shape, long seed, double mean, double spread) {
        Random random = new Random(seed);
        int features = shape.c();
        double[] means = new double[features];
        double[] spreads = new double[features];
        for (int c = 0; c < features; c++) {
            means[c] = mean + spread * random.nextGaussian();
            spreads[c] = spread * (0.5 + random.nextDouble());
        }
        int elements = Math.toIntExact(shape.elements());
        float[] x = new float[elements];
        float[] dy = new float[elements];
        for (int i = 0; i < elements; i++) {
            int c = Reference.feature(shape, i);
            x[i] = (float) (means[c] + spreads[c] * random.nextGaussian());
            dy[i] = (float) random.nextGaussian();
        }
        float[] weight = new float[features];
        float[] bias = new float[features];
        for (int c = 0; c < features; c++) {
            weight[c] = (float) (1 + 0.5 * random.nextGaussian());
            bias[c] = (float) random.nextGaussian();
        }
        return new Values(shape, x, dy, weight, bias);
    }

    /** The same with some values of x that are 0 or −0, at which an activation before batch norm bends. */
    public Values withZeros() {
        float[] some = x.clone();
        for (int i = 0; i < some.length; i += ZEROS_APART) {
            some[i] = i % 2 == 0 ? 0f : -0f;
        }
        return withX(some);
    }

    /** The same with another x. */
    public Values withX(float[] newX) {
        return new Values(shape, newX, dy, weight, bias);
    }

    /** The same with another dy. */
    public Values withDy(float[] newDy) {
        return new Values(shape, x, newDy, weight, bias);
    }

    /** The same with the parameters of a layer. */
    public Values withParameters(BatchNorm layer) {
        return new Values(shape, x, dy, layer.weight(), layer.bias());
    }
}
