package org.batchnorm.bench.experiments.network;

/**
 * A trained parameter.
 *
 * @param name what it is, for messages
 * @param value its values, the live array
 * @param gradient the gradient of the loss with respect to the values, of the same length, the live array
 */
@SuppressWarnings("ArrayRecordComponent") // Live arrays are the point: optimizers write to them.
public record Parameter(String name, float[] value, float[] gradient) {

    /**
     * Checks the lengths.
     *
     * @throws IllegalArgumentException if they differ
     */
    public Parameter {
        if (value.length != gradient.length) {
            throw new IllegalArgumentException(name + ": " + value.length + " values and " + gradient.length
                    + " gradients given, must be as many");
        }
    }
}
