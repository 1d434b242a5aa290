package org.batchnorm;

import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;

/** Builds a {@link BatchNormFunction}; what is not set has its default. */
public final class BatchNormFunctionBuilder {
    private final int features;
    private double eps = BatchNormConfig.DEFAULT_EPS;
    private Activations activations = Activations.NONE;
    private boolean recomputesInput;
    private ElementType elementType = ElementType.FLOAT32;
    private final BackendChoice choice = new BackendChoice();

    BatchNormFunctionBuilder(int features) {
        this.features = features;
    }

    /** Added to the variance before the square root; finite, &gt; 0; default 1e-5. */
    public BatchNormFunctionBuilder eps(double eps) {
        this.eps = eps;
        return this;
    }

    /** The activation after batch norm, as {@link BatchNormBuilder#activation(Activation)}. */
    public BatchNormFunctionBuilder activation(Activation activation) {
        activations = activations.withOutput(activation);
        return this;
    }

    /** The activation before batch norm, as {@link BatchNormBuilder#inputActivation(Activation)}. */
    public BatchNormFunctionBuilder inputActivation(Activation activation) {
        activations = activations.withInput(activation);
        return this;
    }

    /** In-place training, as {@link BatchNormBuilder#recomputeInputFromOutput(boolean)}. */
    public BatchNormFunctionBuilder recomputeInputFromOutput(boolean recompute) {
        recomputesInput = recompute;
        return this;
    }

    /** The type of parameters, gradients and statistics, as {@link BatchNormBuilder#elementType(ElementType)}. */
    public BatchNormFunctionBuilder elementType(ElementType type) {
        Arguments.requireGiven("elementType", type, "FLOAT32 or FLOAT64");
        elementType = type;
        return this;
    }

    /** Forces a backend, as {@link BatchNormBuilder#backend(String)} does. */
    public BatchNormFunctionBuilder backend(String backend) {
        choice.backend(backend);
        return this;
    }

    /** CPU threads, as {@link BatchNormBuilder#threads(int)}. */
    public BatchNormFunctionBuilder threads(int threads) {
        choice.threads(threads);
        return this;
    }

    /** The device of a backend that has several, as {@link BatchNormBuilder#device(String)}. */
    public BatchNormFunctionBuilder device(String device) {
        choice.device(device);
        return this;
    }

    /**
     * Builds the function.
     *
     * @throws IllegalArgumentException if a value is out of range or no backend has the given name
     * @throws org.batchnorm.spi.BackendUnavailableException if a backend was forced that cannot be used here, with the
     *     reason and the remedy
     */
    public BatchNormFunction build() {
        BatchNormConfig.requireFeatures(features);
        BatchNormConfig.requireEps(eps);
        BatchNormConfig.requireElementType(elementType);
        return new BatchNormFunction(
                new Arguments("function", features, elementType), eps, activations, choice.open(), recomputesInput);
    }
}
