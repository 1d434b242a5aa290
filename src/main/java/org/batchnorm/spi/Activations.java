package org.batchnorm.spi;

import org.jspecify.annotations.Nullable;

/**
 * The activations of a layer, {@code y = output(BN(input(x)))}. Gradients are those by x; the statistics are those of
 * {@code input(x)}.
 *
 * @param input before batch normalization
 * @param output after it
 */
public record Activations(Activation input, Activation output) {
    /** Batch normalization alone. */
    public static final Activations NONE = new Activations(Activation.NONE, Activation.NONE);

    /** These with another one before batch normalization. */
    public Activations withInput(Activation activation) {
        return new Activations(given("inputActivation", activation), output);
    }

    /** These with another one after batch normalization. */
    public Activations withOutput(Activation activation) {
        return new Activations(input, given("activation", activation));
    }

    private static Activation given(String argument, @Nullable Activation activation) {
        if (activation == null) {
            throw new IllegalArgumentException(
                    argument + ": null given, must be an Activation; Activation.NONE for none");
        }
        return activation;
    }

    /** Whether there is neither. */
    public boolean areNone() {
        return input.isNone() && output.isNone();
    }
}
