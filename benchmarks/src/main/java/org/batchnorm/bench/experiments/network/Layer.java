package org.batchnorm.bench.experiments.network;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** A layer of a network: maps each row of a batch, {@link #inputs()} values, to {@link #outputs()} values. */
public interface Layer extends AutoCloseable {

    /** The width of x. */
    int inputs();

    /** The width of y. */
    int outputs();

    /**
     * Forward.
     *
     * @param n rows of the batch
     * @param x in, (n, inputs)
     * @param y out, (n, outputs)
     * @param training whether this is a step of training, not inference
     */
    void forward(int n, float[] x, float[] y, boolean training);

    /**
     * Backward of the latest training forward. Adds to the gradients of the parameters.
     *
     * @param n rows of the batch
     * @param x in, (n, inputs): the input of the forward call
     * @param y in, (n, outputs): its output
     * @param dy in, (n, outputs): the gradient of the loss with respect to y
     * @param dx out, (n, inputs): the gradient with respect to x; null where nobody needs it
     */
    void backward(int n, float[] x, float[] y, float[] dy, float @Nullable [] dx);

    /** The trained parameters; empty for a layer without any. */
    default List<Parameter> parameters() {
        return List.of();
    }

    /** Frees what the layer holds beyond the heap. */
    @Override
    default void close() {}
}
