package org.batchnorm.bench.tornadovm.resident;

import java.util.List;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** A layer whose parameters and activations live on the device. It adds its tasks to graphs that others make. */
interface ResidentLayer {

    /** The width of y. */
    int outputs();

    /**
     * Adds the training forward.
     *
     * @param x in, (capacity, inputs), from an earlier task
     * @return y, (capacity, outputs)
     */
    FloatArray addForward(Tasks tasks, FloatArray x);

    /**
     * Adds the inference: as the forward, in another graph, with what the training left in the parameters and the
     * running statistics.
     */
    FloatArray addInference(Tasks tasks, FloatArray x);

    /**
     * Adds the backward, which computes the parameters' gradients and dx.
     *
     * @param dy in, (capacity, outputs), from an earlier task; may be overwritten
     * @return dx, (capacity, inputs)
     */
    FloatArray addBackward(Tasks tasks, FloatArray dy);

    /** Adds the backward of the first layer of a network: nobody needs its dx. */
    default void addParameterGradients(Tasks tasks, FloatArray dy) {
        addBackward(tasks, dy);
    }

    /** The trained parameters, in any order. */
    default List<Trained> trained() {
        return List.of();
    }

    /** What is sent to the device once, before the first execution, and stays there. */
    default List<Object> resident() {
        return List.of();
    }

    /**
     * A trained parameter.
     *
     * @param task the prefix of the names of its tasks
     * @param values the live values on the device
     * @param gradients of the latest backward
     */
    record Trained(String task, FloatArray values, FloatArray gradients) {}
}
