package org.batchnorm;

import java.util.Arrays;
import org.batchnorm.data.FeatureValues;
import org.jspecify.annotations.Nullable;

/**
 * The inference of a layer as part of the weights before or after it. With running statistics, batch normalization is
 * {@code y = a · x + c} for each feature, {@code a = gamma / sqrt(running_var + eps)}, {@code c = beta − running_mean ·
 * a}, and a linear layer or a convolution beside it can take that over:
 *
 * <pre>
 *   into:          BN(W x + b)   =  (diag(a) W) x + (a · b + c)
 *   intoFollowing: W BN(x) + b   =  (W diag(a)) x + (b + W c)
 * </pre>
 *
 * <p>All is computed in double precision and rounded once. It is of the layer as it was when this was made, and of no
 * use for training. The bias is folded where the mean is large against the deviation at a cost that
 * {@link #largestChange} measures: rounding it to float32 may lose digits that the layer keeps.
 */
public final class Folding {
    private final double[] scale;
    private final double[] offset;

    private Folding(double[] scale, double[] offset) {
        this.scale = scale;
        this.offset = offset;
    }

    /**
     * Of a layer's running statistics and parameters as they are now.
     *
     * @throws IllegalArgumentException if the layer has an activation
     * @throws IllegalStateException if the layer tracks no statistics, or if they make no finite factor: a running
     *     variance is negative, NaN, or 0 without eps
     */
    public static Folding of(BatchNorm layer) {
        Arguments.requireGiven("layer", layer, "a BatchNorm");
        if (!layer.function.activations.areNone()) {
            throw new IllegalArgumentException("layer: built with activation or inputActivation, which weights cannot"
                    + " take over; must be a layer without, with its activation outside");
        }
        BatchNormConfig config = layer.config();
        int c = config.features();
        double[] scale = new double[c];
        double[] offset = new double[c];
        FeatureValues mean = layer.state.tracked().mean;
        FeatureValues variance = layer.state.tracked().variance;
        FeatureValues weight = layer.state.parameters.gamma;
        FeatureValues bias = layer.state.parameters.beta;
        for (int i = 0; i < c; i++) {
            double gamma = weight == null ? 1 : weight.get(i);
            double beta = bias == null ? 0 : bias.get(i);
            scale[i] = gamma / Math.sqrt(variance.get(i) + config.eps());
            offset[i] = beta - mean.get(i) * scale[i];
            if (!Double.isFinite(scale[i]) || !Double.isFinite(offset[i])) {
                throw new IllegalStateException(
                        "layer: feature " + i + " has weight " + gamma + ", bias " + beta + ", running_mean "
                                + mean.get(i)
                                + " and running_var " + variance.get(i) + ", which with eps " + config.eps()
                                + " make no finite factor and offset; train it, or set its state, first");
            }
        }
        return new Folding(scale, offset);
    }

    /** {@code a}, (C); a copy. */
    public double[] scale() {
        return scale.clone();
    }

    /** {@code c}, (C); a copy. */
    public double[] offset() {
        return offset.clone();
    }

    /**
     * The weights of the layer before, whose outputs are then normalized: what PyTorch's {@code fuse_conv_bn_weights}
     * and {@code fuse_linear_bn_weights} make. Nothing but a reshape may lie between the two layers.
     *
     * @param before a linear layer, or a convolution of any kind, with C outputs
     * @throws IllegalArgumentException if it has another number of outputs
     */
    public Weights into(Weights before) {
        Arguments.requireGiven("before", before, "Weights");
        requireFeatures("before", "outputs", before.out());
        float[] weight = new float[before.weight().length];
        float[] bias = new float[before.out()];
        for (int o = 0; o < before.out(); o++) {
            bias[o] = (float) (before.bias(o) * scale[o] + offset[o]);
            for (int i = 0; i < before.inOfGroup(); i++) {
                for (int k = 0; k < before.kernel(); k++) {
                    int at = before.index(o, i, k);
                    weight[at] = (float) (before.weight()[at] * scale[o]);
                }
            }
        }
        return before.with(weight, bias);
    }

    /**
     * The weights of the layer after, which then takes what came into this layer: for {@code Linear → LeakyReLU → BN →
     * Linear}, where an activation keeps the weights before from taking it over.
     *
     * @param after a linear layer, or a convolution without zero padding, with C inputs
     * @throws IllegalArgumentException if it has another number of inputs; or if it is a convolution of which some
     *     outputs see fewer inputs than others, as with zero padding or transposed ones, because zeros that are added
     *     after normalization have no counterpart before it. Where c is 0 everywhere this does no harm.
     */
    public Weights intoFollowing(Weights after) {
        Arguments.requireGiven("after", after, "Weights");
        requireFeatures("after", "inputs", after.in());
        requireAllOutputsAlike(after);
        float[] weight = new float[after.weight().length];
        float[] bias = new float[after.out()];
        for (int o = 0; o < after.out(); o++) {
            double sum = after.bias(o);
            for (int i = 0; i < after.inOfGroup(); i++) {
                int feature = after.input(o, i);
                for (int k = 0; k < after.kernel(); k++) {
                    int at = after.index(o, i, k);
                    weight[at] = (float) (after.weight()[at] * scale[feature]);
                    sum += after.weight()[at] * offset[feature];
                }
            }
            bias[o] = (float) sum;
        }
        return after.with(weight, bias);
    }

    /**
     * How much the rounding of {@link #into} changes outputs: the largest |difference|, in double precision, between
     * the folded weights and the given ones with this layer behind them.
     *
     * @param samples n inputs of one output position: (n, in · kernel), channels before positions; {@code in} values
     *     each for a linear layer
     * @throws IllegalArgumentException if they are not whole samples
     */
    public double largestChange(Weights before, Weights folded, float[] samples) {
        Arguments.requireGiven("before", before, "Weights");
        requireFeatures("before", "outputs", before.out());
        requireSameLayer(before, folded);
        return largestDifference(before, folded, samples, false);
    }

    /** The same of {@link #intoFollowing}, of samples of this layer's input. */
    public double largestChangeFollowing(Weights after, Weights folded, float[] samples) {
        Arguments.requireGiven("after", after, "Weights");
        requireFeatures("after", "inputs", after.in());
        requireSameLayer(after, folded);
        return largestDifference(after, folded, samples, true);
    }

    private double largestDifference(Weights weights, Weights folded, float[] samples, boolean normalizesInput) {
        Arguments.requireGiven("samples", samples, "a float[]");
        int length = weights.in() * weights.kernel();
        if (samples.length % length != 0) {
            throw new IllegalArgumentException("samples: float[" + samples.length + "] given, must be whole samples of "
                    + weights.in() + " · " + weights.kernel() + " values");
        }
        double largest = 0;
        for (int start = 0; start < samples.length; start += length) {
            for (int o = 0; o < weights.out(); o++) {
                double expected = normalizesInput
                        ? output(weights, samples, start, o, this)
                        : output(weights, samples, start, o, null) * scale[o] + offset[o];
                double difference = Math.abs(expected - output(folded, samples, start, o, null));
                largest = Math.max(largest, difference);
            }
        }
        return largest;
    }

    /** One output, of inputs that {@code first} normalizes where it is given. */
    private static double output(Weights weights, float[] samples, int start, int o, @Nullable Folding first) {
        double sum = weights.bias(o);
        for (int i = 0; i < weights.inOfGroup(); i++) {
            int channel = weights.input(o, i);
            double scale = first != null ? first.scale[channel] : 1;
            double offset = first != null ? first.offset[channel] : 0;
            for (int k = 0; k < weights.kernel(); k++) {
                double x = samples[start + channel * weights.kernel() + k];
                sum += (x * scale + offset) * weights.weight()[weights.index(o, i, k)];
            }
        }
        return sum;
    }

    private void requireFeatures(String argument, String what, int given) {
        if (given != scale.length) {
            throw new IllegalArgumentException(
                    argument + ": " + given + " " + what + " given, must be the layer's " + scale.length + " features");
        }
    }

    private static void requireSameLayer(Weights given, Weights folded) {
        Arguments.requireGiven("folded", folded, "Weights");
        if (!given.isLike(folded)) {
            throw new IllegalArgumentException("folded: a layer of " + folded.in() + " inputs, " + folded.out()
                    + " outputs, " + folded.kernel() + " positions given, must be like the one before folding");
        }
    }

    private void requireAllOutputsAlike(Weights after) {
        boolean alike = after.kind() == Weights.Kind.LINEAR || after.kind() == Weights.Kind.CONVOLUTION;
        if (!alike && Arrays.stream(offset).anyMatch(c -> c != 0)) {
            throw new IllegalArgumentException("after: " + after.kind()
                    + " given, must be linear or a convolution without zero padding: at the borders it sees zeros that"
                    + " were never normalized, so that no bias fits all positions; fold into the weights before, or keep"
                    + " the layer");
        }
    }
}
