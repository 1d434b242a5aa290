package org.batchnorm.state;

import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The state of a batch normalization layer under PyTorch's names: {@code weight}, {@code bias}, {@code running_mean},
 * {@code running_var} (float32, (C)) and {@code num_batches_tracked} (int64, a scalar), as far as the layer has them.
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

    /** A state that was read, which may turn out not to be a layer's: {@link #requireKindOf} tells. */
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

    private static void put(Map<String, Tensor> tensors, String name, float @Nullable [] values) {
        if (values != null) {
            tensors.put(name, Tensor.ofFloats(values, values.length));
        }
    }

    /** The tensors by name, in PyTorch's order; cannot be changed. */
    public Map<String, Tensor> tensors() {
        return tensors;
    }

    /** γ, (C); a copy. */
    public float[] weight() {
        return tensor(WEIGHT).floats();
    }

    /** β, (C); a copy. */
    public float[] bias() {
        return tensor(BIAS).floats();
    }

    /** The running mean, (C); a copy. */
    public float[] runningMean() {
        return tensor(RUNNING_MEAN).floats();
    }

    /** The running variance, (C); a copy. */
    public float[] runningVar() {
        return tensor(RUNNING_VAR).floats();
    }

    /** How many batches the running statistics have seen. */
    public long numBatchesTracked() {
        return tensor(NUM_BATCHES_TRACKED).longs()[0];
    }

    /**
     * Refuses a state that is not exactly of a layer's kind.
     *
     * @param own the layer's own state
     * @throws IllegalArgumentException if a tensor is missing, unknown, of another type or of another shape, or if
     *     {@code num_batches_tracked} is negative
     */
    public void requireKindOf(BatchNormState own) {
        requireNames(own.tensors.keySet());
        own.tensors.forEach((name, tensor) -> requireKind(name, tensor(name), tensor));
        if (tensors.containsKey(NUM_BATCHES_TRACKED) && numBatchesTracked() < 0) {
            throw new IllegalArgumentException(
                    "state: num_batches_tracked is " + numBatchesTracked() + ", must be at least 0");
        }
    }

    private void requireNames(Set<String> own) {
        Set<String> missing = new TreeSet<>(own);
        missing.removeAll(tensors.keySet());
        Set<String> extra = new TreeSet<>(tensors.keySet());
        extra.removeAll(own);
        if (!missing.isEmpty() || !extra.isEmpty()) {
            throw new IllegalArgumentException("state: tensors " + new TreeSet<>(tensors.keySet())
                    + " given, must be exactly " + new TreeSet<>(own) + "; missing " + missing + ", not the layer's "
                    + extra);
        }
    }

    private static void requireKind(String name, Tensor given, Tensor own) {
        if (given.dtype() != own.dtype() || !Arrays.equals(given.shape(), own.shape())) {
            throw new IllegalArgumentException("state: " + name + " is " + given.dtype()
                    + Arrays.toString(given.shape()) + ", must be " + own.dtype() + Arrays.toString(own.shape()));
        }
    }

    private Tensor tensor(String name) {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new IllegalArgumentException("state: tensor " + name + " is missing");
        }
        return tensor;
    }
}
