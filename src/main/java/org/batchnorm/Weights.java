package org.batchnorm;

import org.jspecify.annotations.Nullable;

/**
 * The weights of a linear layer or a convolution, in PyTorch's layouts, for {@link Folding}. They are the caller's
 * arrays; nobody changes them.
 *
 * @param weight (out, in / groups, kernel), of a transposed convolution (in, out / groups, kernel), where
 *     {@code kernel} stands for all spatial positions, in memory order
 * @param bias (out), or null where there is none
 * @param kind what the layer is
 * @param in features or channels of the input
 * @param out features or channels of the output
 * @param kernel positions of the kernel: its length, kh·kw or kd·kh·kw; 1 of a linear layer
 * @param groups into which channels are divided
 */
@SuppressWarnings("ArrayRecordComponent") // views of the caller's arrays, which nobody compares
public record Weights(float[] weight, float @Nullable [] bias, Kind kind, int in, int out, int kernel, int groups) {

    /** What a layer with weights is. */
    public enum Kind {
        /** {@code y = x · Wᵀ + b}. */
        LINEAR,
        /** A convolution that sees no padding, or none but what is the same as its other values. */
        CONVOLUTION,
        /** A convolution whose input is padded with zeros. */
        ZERO_PADDED_CONVOLUTION,
        /** A transposed convolution, of any stride and padding. */
        TRANSPOSED_CONVOLUTION
    }

    /** Checks all that can be checked; {@link IllegalArgumentException} tells what does not fit. */
    public Weights {
        Arguments.requireGiven("weight", weight, "a float[]");
        Arguments.requireGiven("kind", kind, "a Kind");
        requirePositive("in", in);
        requirePositive("out", out);
        requirePositive("kernel", kernel);
        requirePositive("groups", groups);
        if (in % groups != 0 || out % groups != 0) {
            throw new IllegalArgumentException(
                    "groups: " + groups + " given, must divide the " + in + " channels in and the " + out + " out");
        }
        if (kind == Kind.LINEAR && (kernel != 1 || groups != 1)) {
            throw new IllegalArgumentException(
                    "kernel: " + kernel + " and groups: " + groups + " given, must both be 1 of a linear layer");
        }
        long channels = (long) in / groups * out;
        long expected = channels > Integer.MAX_VALUE ? channels : channels * kernel;
        if (weight.length != expected) {
            throw new IllegalArgumentException("weight: float[" + weight.length + "] given, must have the " + expected
                    + " values of " + out + " × " + in + " / " + groups + " channels × " + kernel + " positions");
        }
        if (bias != null && bias.length != out) {
            throw new IllegalArgumentException(
                    "bias: float[" + bias.length + "] given, must have one value for each of the " + out + " outputs");
        }
    }

    /**
     * Those of a linear layer.
     *
     * @param weight (out, in)
     * @param bias (out), or null
     */
    public static Weights linear(float[] weight, float @Nullable [] bias, int in, int out) {
        return new Weights(weight, bias, Kind.LINEAR, in, out, 1, 1);
    }

    private static void requirePositive(String name, int value) {
        if (value < 1) {
            throw new IllegalArgumentException(name + ": " + value + " given, must be at least 1");
        }
    }

    boolean isTransposed() {
        return kind == Kind.TRANSPOSED_CONVOLUTION;
    }

    /** The inputs that an output has a weight for, at each position. */
    int inOfGroup() {
        return in / groups;
    }

    private int outOfGroup() {
        return out / groups;
    }

    /** The input channel that is number {@code i} of those of an output's group. */
    int input(int output, int i) {
        return output / outOfGroup() * inOfGroup() + i;
    }

    /** Where the weight from input {@code i} of an output's group to that output lies, of a position of the kernel. */
    int index(int output, int i, int position) {
        int row = isTransposed() ? input(output, i) : output;
        int column = isTransposed() ? output % outOfGroup() : i;
        int columns = isTransposed() ? outOfGroup() : inOfGroup();
        return (row * columns + column) * kernel + position;
    }

    float bias(int output) {
        return bias != null ? bias[output] : 0;
    }

    /** Whether another has the same shape. */
    boolean isLike(Weights other) {
        return kind == other.kind
                && in == other.in
                && out == other.out
                && kernel == other.kernel
                && groups == other.groups;
    }

    /** The same layer with other values. */
    Weights with(float[] newWeight, float[] newBias) {
        return new Weights(newWeight, newBias, kind, in, out, kernel, groups);
    }
}
