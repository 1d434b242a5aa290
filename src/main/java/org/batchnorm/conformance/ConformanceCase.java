package org.batchnorm.conformance;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.data.Layout;
import org.batchnorm.state.DType;
import org.batchnorm.state.Safetensors;
import org.batchnorm.state.SafetensorsException;
import org.batchnorm.state.Tensor;

/**
 * One case that every backend must pass: inputs in float32, a 16-bit type or float64, and what PyTorch computes from
 * them in double precision; of float64, what is computed in more than that.
 *
 * <p>A case is a safetensors file. These are its tensors; those with ? may be missing. The axes are in the order that
 * {@code layout} says.
 *
 * <ul>
 *   <li>F32, F16, BF16 or F64: {@code x}, the type of which y and dx have, too; {@code dy}? of x's shape, F64 where x
 *       is;
 *   <li>F32, or F64 where x is F64: {@code weight}?, {@code bias}?, {@code running_mean}?, {@code running_var}? of
 *       shape (C);
 *   <li>I64: {@code num_batches_tracked}?, {@code expected.num_batches_tracked}?, scalars;
 *   <li>F64: {@code expected.y}; {@code expected.dx}? of x's shape; {@code expected.dweight}?, {@code expected.dbias}?,
 *       {@code expected.mean}?, {@code expected.rstd}?, {@code expected.running_mean}?, {@code expected.running_var}?
 *       of shape (C).
 * </ul>
 *
 * These are its metadata:
 *
 * <ul>
 *   <li>{@code format}: {@code batchnorm-case}; {@code version}: {@code 1};
 *   <li>{@code mode}: {@code training} or {@code inference};
 *   <li>{@code layout}: {@code channels_first} or {@code channels_last};
 *   <li>{@code eps}: a number;
 *   <li>{@code momentum}: a number, or {@code none} for the cumulative average;
 *   <li>{@code pytorch_float32_max_abs_error.<quantity>}?: PyTorch's own largest error in float32.
 * </ul>
 *
 * Without weight and bias the layer has no affine parameters. Without running_mean it tracks no statistics.
 */
public final class ConformanceCase {
    private static final String SUFFIX = ".safetensors";
    private static final String FORMAT = "batchnorm-case";
    private static final String VERSION = "1";
    private static final String EXPECTED = "expected.";
    private static final String PYTORCH_ERROR = "pytorch_float32_max_abs_error.";
    private static final Set<String> INPUTS =
            Set.of("x", "dy", "weight", "bias", "running_mean", "running_var", "num_batches_tracked");

    /** What the layer normalizes with, and what its backward is. */
    public enum Mode {
        /** The batch's statistics. The running ones are updated; gradients flow through the statistics. */
        TRAINING,
        /** The running statistics if there are any, else the batch's. The backward is that of frozen statistics. */
        INFERENCE
    }

    private final String name;
    private final Mode mode;
    private final BatchNormConfig config;
    private final BatchShape shape;
    private final Map<String, Tensor> tensors;
    private final Map<Quantity, OptionalDouble> pytorchErrors = new EnumMap<>(Quantity.class);

    private ConformanceCase(String name, Safetensors.Contents contents) {
        this.name = name;
        this.tensors = Map.copyOf(contents.tensors());
        Map<String, String> metadata = contents.metadata();
        choose(metadata, "format", FORMAT);
        choose(metadata, "version", VERSION);
        this.mode =
                choose(metadata, "mode", "training", "inference").equals("training") ? Mode.TRAINING : Mode.INFERENCE;
        Layout layout =
                choose(metadata, "layout", "channels_first", "channels_last").equals("channels_first")
                        ? Layout.CHANNELS_FIRST
                        : Layout.CHANNELS_LAST;
        requireKnownNames();
        this.shape = shape(data("x").shape(), layout);
        this.config = new BatchNormConfig(
                shape.c(),
                number(metadata, "eps"),
                momentum(metadata),
                has("weight") || has("bias"),
                has("running_mean"),
                type("x") == ElementType.FLOAT64 ? ElementType.FLOAT64 : ElementType.FLOAT32);
        requireTensors();
        for (Quantity quantity : Quantity.values()) {
            pytorchErrors.put(quantity, pytorchError(metadata, PYTORCH_ERROR + quantity.tensorName()));
        }
    }

    /**
     * Reads a case. Its name is the file's without {@value #SUFFIX}.
     *
     * @throws SafetensorsException if the file is malformed or no valid case; the message names what is wrong and what
     *     would be right
     * @throws IOException if it cannot be read
     */
    public static ConformanceCase read(Path file) throws IOException {
        Safetensors.Contents contents = Safetensors.read(file);
        String fileName = String.valueOf(file.getFileName());
        String name = fileName.endsWith(SUFFIX) ? fileName.substring(0, fileName.length() - SUFFIX.length()) : fileName;
        try {
            return of(name, contents);
        } catch (IllegalArgumentException e) {
            throw new SafetensorsException(file, "no valid conformance case: " + e.getMessage(), e);
        }
    }

    /**
     * A case from the contents of a file.
     *
     * @throws IllegalArgumentException if it is no valid case; the message names what is wrong and what would be right
     */
    public static ConformanceCase of(String name, Safetensors.Contents contents) {
        return new ConformanceCase(name, contents);
    }

    /** The case's name. */
    public String name() {
        return name;
    }

    /** Training or inference. */
    public Mode mode() {
        return mode;
    }

    /** The configuration of the layer. */
    public BatchNormConfig config() {
        return config;
    }

    /** The shape of x, dy, y and dx. */
    public BatchShape shape() {
        return shape;
    }

    /** The input, {@link #shape()}, as float32; a copy. */
    public float[] x() {
        return data("x").floats();
    }

    /** The same without rounding; a copy. */
    public double[] doubleX() {
        return data("x").doubles();
    }

    /** The type of x, y and dx. */
    public ElementType type() {
        return type("x");
    }

    /** The type of dy, if there is one. */
    public ElementType typeOfGradient() {
        return type(has("dy") ? "dy" : "x");
    }

    /**
     * The gradient of the loss with respect to y, {@link #shape()}, as float32; a copy. Empty if the case has no
     * backward.
     */
    public Optional<float[]> dy() {
        return Optional.ofNullable(tensors.get("dy")).map(Tensor::floats);
    }

    /** The same without rounding; a copy. */
    public Optional<double[]> doubleDy() {
        return Optional.ofNullable(tensors.get("dy")).map(Tensor::doubles);
    }

    /**
     * A tensor of the layer's state before the forward, by its name in the state ({@code weight}, {@code running_mean},
     * …). Empty if the case does not have it.
     */
    public Optional<Tensor> state(String tensorName) {
        return Optional.ofNullable(tensors.get(tensorName));
    }

    /** What is expected: F64, and I64 for the number of batches. Empty if the case does not have it. */
    public Optional<Tensor> expected(Quantity quantity) {
        return Optional.ofNullable(tensors.get(EXPECTED + quantity.tensorName()));
    }

    /** PyTorch's own largest error in float32. Empty if the case does not have it. */
    public OptionalDouble pytorchError(Quantity quantity) {
        return pytorchErrors.getOrDefault(quantity, OptionalDouble.empty());
    }

    @Override
    public String toString() {
        return name + " (" + mode.name().toLowerCase(Locale.ROOT) + ", " + shape + ")";
    }

    private boolean has(String tensorName) {
        return tensors.containsKey(tensorName);
    }

    private void requireKnownNames() {
        Set<String> known = Arrays.stream(Quantity.values())
                .map(quantity -> EXPECTED + quantity.tensorName())
                .collect(Collectors.toCollection(TreeSet::new));
        known.addAll(INPUTS);
        Set<String> unknown = new TreeSet<>(tensors.keySet());
        unknown.removeAll(known);
        if (!unknown.isEmpty()) {
            throw new IllegalArgumentException("tensors " + unknown + " given, must be among " + known);
        }
    }

    private void requireTensors() {
        long[] data = data("x").shape();
        long[] perFeature = {shape.c()};
        required(EXPECTED + "y", DType.F64);
        boolean inDouble = data("x").dtype() == DType.F64;
        DType ofLayer = inDouble ? DType.F64 : DType.F32;
        if (has("dy")) {
            boolean other = inDouble != (data("dy").dtype() == DType.F64);
            requireIfGiven("dy", other ? ofLayer : data("dy").dtype(), data);
        }
        for (String input : new String[] {"weight", "bias", "running_mean", "running_var"}) {
            requireIfGiven(input, ofLayer, perFeature);
        }
        requireIfGiven("num_batches_tracked", DType.I64);
        for (Quantity quantity : Quantity.values()) {
            String tensorName = EXPECTED + quantity.tensorName();
            switch (quantity) {
                case Y, DX -> requireIfGiven(tensorName, DType.F64, data);
                case NUM_BATCHES_TRACKED -> requireIfGiven(tensorName, DType.I64);
                default -> requireIfGiven(tensorName, DType.F64, perFeature);
            }
        }
        requireTogether("running_mean", "running_var");
        requireTogether("running_var", "running_mean");
        requireTogether("num_batches_tracked", "running_mean");
        requireTogether(EXPECTED + "dx", "dy");
        requireTogether(EXPECTED + "dweight", "dy");
        requireTogether(EXPECTED + "dbias", "dy");
        requireTogether(EXPECTED + "running_mean", "running_mean");
        requireTogether(EXPECTED + "running_var", "running_mean");
        requireTogether(EXPECTED + "num_batches_tracked", "running_mean");
        if (!config.affine()) {
            requireTogether(EXPECTED + "dweight", "weight");
            requireTogether(EXPECTED + "dbias", "bias");
        }
    }

    private void requireTogether(String given, String wanted) {
        if (has(given) && !has(wanted)) {
            throw new IllegalArgumentException(
                    "tensor \"" + given + "\" given without \"" + wanted + "\", must come with it");
        }
    }

    private Tensor required(String tensorName, DType dtype) {
        Tensor tensor = tensors.get(tensorName);
        if (tensor == null) {
            throw new IllegalArgumentException("tensor \"" + tensorName + "\" is missing, must be there as " + dtype);
        }
        if (tensor.dtype() != dtype) {
            throw new IllegalArgumentException("tensor \"" + tensorName + "\" is " + tensor + ", must be " + dtype);
        }
        return tensor;
    }

    /** A tensor of one of the types that batches have. */
    private Tensor data(String tensorName) {
        Tensor tensor = tensors.get(tensorName);
        boolean other = tensor != null && (tensor.dtype() == DType.F16 || tensor.dtype() == DType.BF16);
        boolean inDouble = tensor != null && tensor.dtype() == DType.F64;
        return tensor != null && (other || inDouble) ? tensor : required(tensorName, DType.F32);
    }

    private ElementType type(String tensorName) {
        return switch (data(tensorName).dtype()) {
            case F16 -> ElementType.FLOAT16;
            case BF16 -> ElementType.BFLOAT16;
            case F64 -> ElementType.FLOAT64;
            default -> ElementType.FLOAT32;
        };
    }

    private void requireIfGiven(String tensorName, DType dtype, long... wanted) {
        if (has(tensorName) && !Arrays.equals(required(tensorName, dtype).shape(), wanted)) {
            throw new IllegalArgumentException("tensor \"" + tensorName + "\" is " + tensors.get(tensorName)
                    + ", must be " + dtype + Arrays.toString(wanted));
        }
    }

    private static BatchShape shape(long[] extents, Layout layout) {
        if (extents.length < 2) {
            throw new IllegalArgumentException(
                    "tensor \"x\" has shape " + Arrays.toString(extents) + ", must have at least two axes, N and C");
        }
        boolean last = layout == Layout.CHANNELS_LAST;
        long c = last ? extents[extents.length - 1] : extents[1];
        if (c > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(
                    "tensor \"x\" has " + c + " features, must be at most " + Integer.MAX_VALUE);
        }
        long[] spatial = last
                ? Arrays.copyOfRange(extents, 1, extents.length - 1)
                : Arrays.copyOfRange(extents, 2, extents.length);
        return last
                ? BatchShape.channelsLast(extents[0], (int) c, spatial)
                : BatchShape.channelsFirst(extents[0], (int) c, spatial);
    }

    private static OptionalDouble momentum(Map<String, String> metadata) {
        return "none".equals(metadata.get("momentum"))
                ? OptionalDouble.empty()
                : OptionalDouble.of(number(metadata, "momentum"));
    }

    /** A NaN counts as absent. */
    private static OptionalDouble pytorchError(Map<String, String> metadata, String key) {
        double error = metadata.containsKey(key) ? number(metadata, key) : Double.NaN;
        return Double.isNaN(error) ? OptionalDouble.empty() : OptionalDouble.of(error);
    }

    private static double number(Map<String, String> metadata, String key) {
        String given = metadata.get(key);
        try {
            // Python writes infinities and NaN in this way.
            return switch (String.valueOf(given)) {
                case "inf" -> Double.POSITIVE_INFINITY;
                case "-inf" -> Double.NEGATIVE_INFINITY;
                case "nan" -> Double.NaN;
                default -> Double.parseDouble(String.valueOf(given));
            };
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(
                    "metadata " + key + ": " + (given == null ? "nothing" : "\"" + given + "\"")
                            + " given, must be a number",
                    e);
        }
    }

    private static String choose(Map<String, String> metadata, String key, String... right) {
        String given = metadata.get(key);
        if (given == null || !Arrays.asList(right).contains(given)) {
            throw new IllegalArgumentException(
                    "metadata " + key + ": " + (given == null ? "nothing" : "\"" + given + "\"") + " given, must be "
                            + String.join(" or ", right));
        }
        return given;
    }
}
