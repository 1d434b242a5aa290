package org.batchnorm.state;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The state of a batch normalization layer under PyTorch's names: {@code weight}, {@code bias}, {@code running_mean},
 * {@code running_var} (float32, or float64 for a layer of FLOAT64, (C)) and {@code num_batches_tracked} (int64, a
 * scalar), as far as the layer has them.
 */
public final class BatchNormState {
    private static final String WEIGHT = "weight";
    private static final String BIAS = "bias";
    private static final String RUNNING_MEAN = "running_mean";
    private static final String RUNNING_VAR = "running_var";
    private static final String NUM_BATCHES_TRACKED = "num_batches_tracked";

    private final Map<String, Tensor> tensors;

    private BatchNormState(Map<String, Tensor> tensors) {
        this.tensors = Collections.unmodifiableMap(new LinkedHashMap<>(tensors));
    }

    /** A state that was read, which may turn out not to be a layer's: {@link #loaded} tells. */
    public static BatchNormState of(Map<String, Tensor> tensors) {
        return new BatchNormState(tensors);
    }

    /**
     * The state of a layer; values are copied.
     *
     * @param weight γ, (C); null where the layer has no parameters
     * @param bias β, (C); null where the layer has no parameters
     * @param runningMean (C); null where the layer tracks no statistics
     * @param runningVar (C); null where the layer tracks no statistics
     * @param numBatchesTracked left out where the layer tracks no statistics
     */
    public static BatchNormState of(
            float @Nullable [] weight,
            float @Nullable [] bias,
            float @Nullable [] runningMean,
            float @Nullable [] runningVar,
            long numBatchesTracked) {
        return ofTensors(tensor(weight), tensor(bias), tensor(runningMean), tensor(runningVar), numBatchesTracked);
    }

    private static @Nullable Tensor tensor(float @Nullable [] values) {
        return values == null ? null : Tensor.ofFloats(values, values.length);
    }

    /** The same from tensors, which say the type of the layer: F32 or F64. */
    public static BatchNormState ofTensors(
            @Nullable Tensor weight,
            @Nullable Tensor bias,
            @Nullable Tensor runningMean,
            @Nullable Tensor runningVar,
            long numBatchesTracked) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        put(tensors, WEIGHT, weight);
        put(tensors, BIAS, bias);
        put(tensors, RUNNING_MEAN, runningMean);
        put(tensors, RUNNING_VAR, runningVar);
        if (runningMean != null) {
            tensors.put(NUM_BATCHES_TRACKED, Tensor.ofLong(numBatchesTracked));
        }
        return new BatchNormState(tensors);
    }

    private static void put(Map<String, Tensor> tensors, String name, @Nullable Tensor tensor) {
        if (tensor != null) {
            tensors.put(name, tensor);
        }
    }

    /** The tensors by name, in PyTorch's order; cannot be changed. */
    public Map<String, Tensor> tensors() {
        return tensors;
    }

    /** γ, (C), as float32; a copy. */
    public float[] weight() {
        return tensor(WEIGHT).floats();
    }

    /** β, (C), as float32; a copy. */
    public float[] bias() {
        return tensor(BIAS).floats();
    }

    /** The running mean, (C), as float32; a copy. */
    public float[] runningMean() {
        return tensor(RUNNING_MEAN).floats();
    }

    /** The running variance, (C), as float32; a copy. */
    public float[] runningVar() {
        return tensor(RUNNING_VAR).floats();
    }

    /** How many batches the running statistics have seen. */
    public long numBatchesTracked() {
        return tensor(NUM_BATCHES_TRACKED).longs()[0];
    }

    /**
     * A layer's state and what did not match when it was taken from another one.
     *
     * @param state of the layer's types and shapes
     * @param result what was missing and unexpected
     */
    public record Loaded(BatchNormState state, LoadResult result) {}

    /**
     * This state, a layer's own, with the tensors that another one has in place of its own, as its types and shapes.
     *
     * @param given tensors by name, which begins with the options' prefix
     * @throws IllegalArgumentException if a tensor is missing or unexpected and the options are strict, if one has
     *     another shape or values that do not fit, or if {@code num_batches_tracked} is negative
     */
    public Loaded loaded(Map<String, Tensor> given, LoadOptions options) {
        LoadResult result = compare(given.keySet(), options);
        Map<String, Tensor> fitted = new LinkedHashMap<>();
        tensors.forEach((name, own) -> {
            String fullName = options.prefix() + name;
            boolean isGiven = given.containsKey(fullName);
            fitted.put(name, isGiven ? fit(fullName, given.get(fullName), own) : own);
        });
        return new Loaded(new BatchNormState(fitted), result);
    }

    private LoadResult compare(Set<String> given, LoadOptions options) {
        Set<String> own = new TreeSet<>();
        tensors.keySet().forEach(name -> own.add(options.prefix() + name));
        Set<String> ofLayer = new TreeSet<>();
        for (String name : given) {
            if (name == null) {
                throw new IllegalArgumentException("state: null given, must be the name of a tensor");
            }
            if (name.startsWith(options.prefix())) {
                ofLayer.add(name);
            }
        }
        Set<String> missing = new TreeSet<>(own);
        missing.removeAll(ofLayer);
        Set<String> unexpected = new TreeSet<>(ofLayer);
        unexpected.removeAll(own);
        LoadResult result = new LoadResult(missing, unexpected);
        if (options.isStrict() && !result.isExact()) {
            String where = options.prefix().isEmpty() ? "" : " under the prefix \"" + options.prefix() + "\"";
            throw new IllegalArgumentException(
                    "state: tensors " + ofLayer + " given" + where + ", must be exactly " + own
                            + "; missing " + missing + ", not the layer's " + unexpected
                            + " (LoadOptions.lenient() takes what there is)");
        }
        return result;
    }

    private static Tensor fit(String name, @Nullable Tensor given, Tensor own) {
        if (given == null) {
            throw new IllegalArgumentException("state: " + name + " is null, must be " + own);
        }
        boolean isCount = own.dtype() == DType.I64;
        if (isCount ? !isScalar(given.shape()) : !isPerFeature(given.shape(), own.elements())) {
            throw new IllegalArgumentException("state: " + name + " is " + given + ", must be " + own);
        }
        try {
            if (isCount) {
                return count(name, given);
            }
            return own.dtype() == DType.F64
                    ? Tensor.ofDoubles(given.doubles(), own.shape())
                    : Tensor.ofFloats(given.floats(), own.shape());
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("state: " + name + ": " + e.getMessage() + "; must be " + own, e);
        }
    }

    private static Tensor count(String name, Tensor given) {
        long count = given.longs()[0];
        if (count < 0) {
            throw new IllegalArgumentException("state: " + name + " is " + count + ", must be at least 0");
        }
        return Tensor.ofLong(count);
    }

    /** () or (1). */
    private static boolean isScalar(long[] shape) {
        return shape.length == 0 || (shape.length == 1 && shape[0] == 1);
    }

    /** (C), or as it is broadcast against a batch: (1, C, 1, …). */
    private static boolean isPerFeature(long[] shape, int features) {
        int axis = shape.length == 1 ? 0 : 1;
        if (shape.length == 0 || shape[axis] != features) {
            return false;
        }
        for (int i = 0; i < shape.length; i++) {
            if (i != axis && shape[i] != 1) {
                return false;
            }
        }
        return true;
    }

    /**
     * A tensor by its name.
     *
     * @throws IllegalArgumentException if the state does not have it
     */
    public Tensor tensor(String name) {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new IllegalArgumentException("state: tensor " + name + " is missing");
        }
        return tensor;
    }
}
