package org.batchnorm;

import org.batchnorm.data.ElementType;
import org.batchnorm.data.FeatureValues;
import org.jspecify.annotations.Nullable;

/**
 * The weights of a linear layer or a convolution, in PyTorch's layouts, for {@link Folding}: all in float32 or, of
 * {@link #ofDoubles}, all in float64. They are the caller's arrays; nobody changes them.
 */
public final class Weights {
    private final FeatureValues weight;
    private final @Nullable FeatureValues bias;
    private final Kind kind;
    private final int in;
    private final int out;
    private final int kernel;
    private final int groups;

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

    /**
     * Refers to arrays of float32.
     *
     * @param weight (out, in / groups, kernel), of a transposed convolution (in, out / groups, kernel), where
     *     {@code kernel} stands for all spatial positions, in memory order
     * @param bias (out), or null where there is none
     * @param kind what the layer is
     * @param in features or channels of the input
     * @param out features or channels of the output
     * @param kernel positions of the kernel: its length, kh·kw or kd·kh·kw; 1 of a linear layer
     * @param groups into which channels are divided
     * @throws IllegalArgumentException if something does not fit; the message tells what
     */
    public Weights(float[] weight, float @Nullable [] bias, Kind kind, int in, int out, int kernel, int groups) {
        this(values("weight", weight), bias == null ? null : FeatureValues.of(bias), kind, in, out, kernel, groups);
    }

    private Weights(
            FeatureValues weight, @Nullable FeatureValues bias, Kind kind, int in, int out, int kernel, int groups) {
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
        if (weight.features() != expected) {
            throw new IllegalArgumentException("weight: " + lengthOf(weight) + " given, must have the " + expected
                    + " values of " + out + " × " + in + " / " + groups + " channels × " + kernel + " positions");
        }
        if (bias != null && bias.features() != out) {
            throw new IllegalArgumentException(
                    "bias: " + lengthOf(bias) + " given, must have one value for each of the " + out + " outputs");
        }
        this.weight = weight;
        this.bias = bias;
        this.kind = kind;
        this.in = in;
        this.out = out;
        this.kernel = kernel;
        this.groups = groups;
    }

    /** {@link #Weights} in float64. */
    public static Weights ofDoubles(
            double[] weight, double @Nullable [] bias, Kind kind, int in, int out, int kernel, int groups) {
        FeatureValues biases = bias == null ? null : FeatureValues.of(bias);
        return new Weights(values("weight", weight), biases, kind, in, out, kernel, groups);
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

    /** Those of a linear layer in float64. */
    public static Weights linear(double[] weight, double @Nullable [] bias, int in, int out) {
        return ofDoubles(weight, bias, Kind.LINEAR, in, out, 1, 1);
    }

    private static FeatureValues values(String name, float[] array) {
        Arguments.requireGiven(name, array, "a float[]");
        return FeatureValues.of(array);
    }

    private static FeatureValues values(String name, double[] array) {
        Arguments.requireGiven(name, array, "a double[]");
        return FeatureValues.of(array);
    }

    private static String lengthOf(FeatureValues values) {
        return (values.type() == ElementType.FLOAT64 ? "double[" : "float[") + values.features() + "]";
    }

    private static void requirePositive(String name, int value) {
        if (value < 1) {
            throw new IllegalArgumentException(name + ": " + value + " given, must be at least 1");
        }
    }

    /** FLOAT32 or FLOAT64. */
    public ElementType type() {
        return weight.type();
    }

    /** The live array of weights in float32, as the constructor has it; else {@link #doubleWeight()}. */
    public float[] weight() {
        return weight.floats();
    }

    /** The live array of biases in float32, (out); null: none. */
    public float @Nullable [] bias() {
        return bias == null ? null : bias.floats();
    }

    /** {@link #weight()} in float64. */
    public double[] doubleWeight() {
        return weight.doubles();
    }

    /** {@link #bias()} in float64. */
    public double @Nullable [] doubleBias() {
        return bias == null ? null : bias.doubles();
    }

    /** What the layer is. */
    public Kind kind() {
        return kind;
    }

    /** Features or channels of the input. */
    public int in() {
        return in;
    }

    /** Features or channels of the output. */
    public int out() {
        return out;
    }

    /** Positions of the kernel; 1 of a linear layer. */
    public int kernel() {
        return kernel;
    }

    /** Into which channels are divided. */
    public int groups() {
        return groups;
    }

    private boolean isTransposed() {
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

    /** The weight at an {@link #index}. */
    double weight(int index) {
        return weight.get(index);
    }

    double bias(int output) {
        return bias != null ? bias.get(output) : 0;
    }

    /** Sets a weight of a layer that {@link #emptied} has made, rounded to the type. */
    void setWeight(int index, double value) {
        weight.set(index, value);
    }

    /** Sets a bias of such a layer. */
    void setBias(int output, double value) {
        if (bias != null) {
            bias.set(output, value);
        }
    }

    /** Whether another has the same shape. */
    boolean isLike(Weights other) {
        return kind == other.kind
                && in == other.in
                && out == other.out
                && kernel == other.kernel
                && groups == other.groups;
    }

    /** The same layer with arrays of its own, of the same type, which are 0; it has a bias. */
    Weights emptied() {
        FeatureValues newWeight = FeatureValues.zeros(type(), weight.features());
        return new Weights(newWeight, FeatureValues.zeros(type(), out), kind, in, out, kernel, groups);
    }

    @Override
    public String toString() {
        return "Weights[" + kind + ", " + in + " in, " + out + " out, " + kernel + " positions, " + groups + " groups, "
                + type() + "]";
    }
}
