package org.batchnorm.state;

import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** Checks a state that is to be loaded against the one that a layer has. */
public final class StateCheck {
    private StateCheck() {}

    /**
     * Refuses a state that is not exactly of the layer's kind.
     *
     * @param given the state to be loaded
     * @param own the layer's own state
     * @throws IllegalArgumentException if a tensor is missing, unknown, of another type or of another shape, or if
     *     {@code num_batches_tracked} is negative
     */
    public static void require(Map<String, Tensor> given, Map<String, Tensor> own) {
        requireSameNames(given.keySet(), own.keySet());
        own.forEach((name, tensor) -> requireSameKind(name, tensor(given, name), tensor));
        if (given.containsKey("num_batches_tracked")
                && tensor(given, "num_batches_tracked").longs()[0] < 0) {
            throw new IllegalArgumentException("state: num_batches_tracked is "
                    + tensor(given, "num_batches_tracked").longs()[0] + ", must be at least 0");
        }
    }

    /**
     * A tensor of a state.
     *
     * @throws IllegalArgumentException if it is missing
     */
    public static Tensor tensor(Map<String, Tensor> state, String name) {
        Tensor tensor = state.get(name);
        if (tensor == null) {
            throw new IllegalArgumentException("state: tensor " + name + " is missing");
        }
        return tensor;
    }

    private static void requireSameNames(Set<String> given, Set<String> own) {
        Set<String> missing = new TreeSet<>(own);
        missing.removeAll(given);
        Set<String> extra = new TreeSet<>(given);
        extra.removeAll(own);
        if (!missing.isEmpty() || !extra.isEmpty()) {
            throw new IllegalArgumentException("state: tensors " + new TreeSet<>(given) + " given, must be exactly "
                    + new TreeSet<>(own) + "; missing " + missing + ", not the layer's " + extra);
        }
    }

    private static void requireSameKind(String name, Tensor given, Tensor own) {
        if (given.dtype() != own.dtype() || !Arrays.equals(given.shape(), own.shape())) {
            throw new IllegalArgumentException("state: " + name + " is " + given.dtype()
                    + Arrays.toString(given.shape()) + ", must be " + own.dtype() + Arrays.toString(own.shape()));
        }
    }
}
