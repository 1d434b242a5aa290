package org.batchnorm.bench.workload;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonValue;
import java.util.Arrays;
import java.util.stream.Collectors;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;

/**
 * What is done in the same passes over memory as batch normalization, {@code y = output(BN(input(x)) + residual)}. The
 * negative slope of {@code leaky_relu} is 0.01, PyTorch's default.
 */
public enum Fusion {
    /** Batch normalization alone. */
    NONE("none", 1, false, 1),
    /** ReLU after it. */
    RELU("relu", 1, false, 0),
    /** Leaky ReLU after it. */
    LEAKY_RELU("leaky_relu", 1, false, 0.01f),
    /** Leaky ReLU before it: the textbook's place. */
    INPUT_LEAKY_RELU("input_leaky_relu", 0.01f, false, 1),
    /** A residual is added, then ReLU: the end of a block of a ResNet. */
    RESIDUAL_RELU("residual+relu", 1, true, 0),
    /** A residual is added, then leaky ReLU. */
    RESIDUAL_LEAKY_RELU("residual+leaky_relu", 1, true, 0.01f);

    private final String label;
    private final float inputSlope;
    private final boolean residual;
    private final float outputSlope;

    /** The slopes are those of negative values; 1 is no activation. */
    Fusion(String label, float inputSlope, boolean residual, float outputSlope) {
        this.label = label;
        this.inputSlope = inputSlope;
        this.residual = residual;
        this.outputSlope = outputSlope;
    }

    /** The name in files and on the command line. */
    @JsonValue
    public String label() {
        return label;
    }

    /** The activations before and after. */
    public Activations activations() {
        return new Activations(new Activation(inputSlope), new Activation(outputSlope));
    }

    /** Whether a residual is added after batch normalization, before the activation. */
    public boolean residual() {
        return residual;
    }

    /**
     * That of the name.
     *
     * @throws IllegalArgumentException if there is none
     */
    @JsonCreator
    public static Fusion of(String label) {
        return Arrays.stream(values())
                .filter(fusion -> fusion.label.equals(label))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("fused: \"" + label + "\" given, must be one of "
                        + Arrays.stream(values()).map(Fusion::label).collect(Collectors.joining(", "))));
    }

    @Override
    public String toString() {
        return label;
    }
}
