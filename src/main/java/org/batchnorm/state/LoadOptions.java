package org.batchnorm.state;

/**
 * How a state is taken over. The tensors may have any type that converts to the layer's, float32 or float64, without
 * loss of more than its rounding; those of C values may have the shape (C) or (1, C, 1, …), the count the shape () or
 * (1). A value that does not fit, and any other shape, is refused in both modes.
 *
 * @param isStrict whether a tensor that is missing or unexpected refuses the state
 * @param prefix what the names of the layer's tensors begin with, such as {@code layer1.0.bn1.}; tensors whose names
 *     begin otherwise are none of the layer's and do not matter
 */
public record LoadOptions(boolean isStrict, String prefix) {

    /** Checks that there is a prefix, be it empty. */
    public LoadOptions {
        if (prefix == null) {
            throw new IllegalArgumentException("prefix: null given, must be what the names begin with, or empty");
        }
    }

    /** Exactly the layer's tensors must be there. */
    public static LoadOptions strict() {
        return new LoadOptions(true, "");
    }

    /**
     * PyTorch's {@code strict=False}: what is missing stays as it is in the layer, what is unexpected is left out, and
     * both are told. That includes {@code num_batches_tracked}, which files from before PyTorch 0.4.1 do not have: the
     * count of a new layer is then 0, as in PyTorch.
     */
    public static LoadOptions lenient() {
        return new LoadOptions(false, "");
    }

    /** The same for a layer whose names begin with this prefix, the dot at its end included. */
    public LoadOptions prefix(String newPrefix) {
        return new LoadOptions(isStrict, newPrefix);
    }
}
