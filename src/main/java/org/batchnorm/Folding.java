package org.batchnorm;

import java.util.Arrays;
import org.batchnorm.data.ElementType;
import org.batchnorm.data.FeatureValues;
import org.batchnorm.spi.Activations;
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
 * <p>An activation of the layer stays outside, on the side that the weights are not on, and is the caller's then:
 *
 * <pre>
 *   into:          output(BN(W x + b))   =  output((diag(a) W) x + (a · b + c))
 *   intoFollowing: W BN(input(x)) + b    =  (W diag(a)) input(x) + (b + W c)
 * </pre>
 *
 * One between batch norm and the weights is refused, as no weights are {@code BN(input(W x + b))} or {@code W
 * output(BN(x)) + b}.
 *
 * <p>All is computed in double precision and rounded once, to float32 or float64 as the weights are, whatever the
 * layer's type. It is of the layer as it was when this was made, and of no use for training. The bias is folded where
 * the mean is large against the deviation at a cost that {@link #largestChange} measures: rounding it to float32 may
 * lose digits that the layer keeps.
 */
public final class Folding {
    private final double[] scale;
    private final double[] offset;
    private final Activations activations;

    private Folding(double[] scale, double[] offset, Activations activations) {
        this.scale = scale;
        this.offset = offset;
        this.activations = activations;
    }

    /**
     * Of a layer's running statistics and parameters as they are now.
     *
     * @throws IllegalStateException if the layer tracks no statistics, or if they make no finite factor: a running
     *     variance is negative, NaN, or 0 without eps
     */
    public static Folding of(BatchNorm layer) {
        Arguments.requireGiven("layer", layer, "a BatchNorm");
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
        return new Folding(scale, offset, layer.function.activations);
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
     * and {@code fuse_linear_bn_weights} make. Nothing but a reshape may lie between the two layers. The layer's
     * {@link BatchNormBuilder#activation}, if it has one, is to be applied to their outputs.
     *
     * @param before a linear layer, or a convolution of any kind, with C outputs
     * @return of the same type, with a bias
     * @throws IllegalArgumentException if it has another number of outputs, or the layer an activation before batch
     *     norm
     */
    public Weights into(Weights before) {
        requireBefore(before);
        Weights folded = before.emptied();
        for (int o = 0; o < before.out(); o++) {
            folded.setBias(o, before.bias(o) * scale[o] + offset[o]);
            for (int i = 0; i < before.inOfGroup(); i++) {
                for (int k = 0; k < before.kernel(); k++) {
                    int at = before.index(o, i, k);
                    folded.setWeight(at, before.weight(at) * scale[o]);
                }
            }
        }
        return folded;
    }

    /**
     * The weights of the layer after, which then takes what came into batch norm: for {@code Linear → LeakyReLU → BN →
     * Linear}, where an activation keeps the weights before from taking it over. If that is the layer's own
     * {@link BatchNormBuilder#inputActivation}, it is to be applied before them.
     *
     * @param after a linear layer, or a convolution without zero padding, with C inputs
     * @return of the same type, with a bias
     * @throws IllegalArgumentException if it has another number of inputs, or the layer an activation after batch norm;
     *     or if it is a convolution of which some outputs see fewer inputs than others, as with zero padding or
     *     transposed ones, because zeros that are added after normalization have no counterpart before it. Where c is 0
     *     everywhere this does no harm.
     */
    public Weights intoFollowing(Weights after) {
        requireAfter(after);
        requireAllOutputsAlike(after);
        Weights folded = after.emptied();
        for (int o = 0; o < after.out(); o++) {
            double sum = after.bias(o);
            for (int i = 0; i < after.inOfGroup(); i++) {
                int feature = after.input(o, i);
                for (int k = 0; k < after.kernel(); k++) {
                    int at = after.index(o, i, k);
                    folded.setWeight(at, after.weight(at) * scale[feature]);
                    sum += after.weight(at) * offset[feature];
                }
            }
            folded.setBias(o, sum);
        }
        return folded;
    }

    /**
     * How much the rounding of {@link #into} changes outputs: the largest |difference|, in double precision, between
     * the folded weights and the given ones with batch norm behind them. An activation after it is left out.
     *
     * @param samples n inputs of one output position: (n, in · kernel), channels before positions; {@code in} values
     *     each for a linear layer
     * @throws IllegalArgumentException if they are not whole samples, or the weights do not fit
     */
    public double largestChange(Weights before, Weights folded, float[] samples) {
        Arguments.requireGiven("samples", samples, "a float[]");
        requireBefore(before);
        return largestDifference(before, folded, FeatureValues.of(samples), false);
    }

    /**
     * The same of samples in float64. The differences of weights in float64 are of the size of the sums' own rounding.
     */
    public double largestChange(Weights before, Weights folded, double[] samples) {
        Arguments.requireGiven("samples", samples, "a double[]");
        requireBefore(before);
        return largestDifference(before, folded, FeatureValues.of(samples), false);
    }

    /** The same of {@link #intoFollowing}, of samples of what comes into batch norm, behind an activation before it. */
    public double largestChangeFollowing(Weights after, Weights folded, float[] samples) {
        Arguments.requireGiven("samples", samples, "a float[]");
        requireAfter(after);
        return largestDifference(after, folded, FeatureValues.of(samples), true);
    }

    /** The same of samples in float64. */
    public double largestChangeFollowing(Weights after, Weights folded, double[] samples) {
        Arguments.requireGiven("samples", samples, "a double[]");
        requireAfter(after);
        return largestDifference(after, folded, FeatureValues.of(samples), true);
    }

    private double largestDifference(Weights weights, Weights folded, FeatureValues samples, boolean normalizesInput) {
        requireSameLayer(weights, folded);
        int length = weights.in() * weights.kernel();
        int given = samples.features();
        if (given % length != 0) {
            throw new IllegalArgumentException(
                    "samples: " + (samples.type() == ElementType.FLOAT64 ? "double[" : "float[") + given
                            + "] given, must be whole samples of " + weights.in() + " · " + weights.kernel()
                            + " values");
        }
        double largest = 0;
        for (int start = 0; start < given; start += length) {
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
    private static double output(Weights weights, FeatureValues samples, int start, int o, @Nullable Folding first) {
        double sum = weights.bias(o);
        for (int i = 0; i < weights.inOfGroup(); i++) {
            int channel = weights.input(o, i);
            double scale = first != null ? first.scale[channel] : 1;
            double offset = first != null ? first.offset[channel] : 0;
            for (int k = 0; k < weights.kernel(); k++) {
                double x = samples.get(start + channel * weights.kernel() + k);
                sum += (x * scale + offset) * weights.weight(weights.index(o, i, k));
            }
        }
        return sum;
    }

    private void requireBefore(Weights before) {
        Arguments.requireGiven("before", before, "Weights");
        requireFeatures("before", "outputs", before.out());
        if (!activations.input().isNone()) {
            throw new IllegalArgumentException("before: weights given, but the layer's inputActivation "
                    + activations.input() + " lies between them and batch norm; must be the weights after the layer, by"
                    + " intoFollowing, or a layer whose activation is not before batch norm");
        }
    }

    private void requireAfter(Weights after) {
        Arguments.requireGiven("after", after, "Weights");
        requireFeatures("after", "inputs", after.in());
        if (!activations.output().isNone()) {
            throw new IllegalArgumentException("after: weights given, but the layer's activation "
                    + activations.output() + " lies between batch norm and them; must be the weights before the layer,"
                    + " by into, or a layer whose activation is not after batch norm");
        }
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
