package org.batchnorm.bench.tornadovm.resident;

import java.util.List;
import org.batchnorm.data.BatchShape;
import org.batchnorm.tornadovm.BatchNormTasks;
import org.jspecify.annotations.Nullable;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/**
 * Batch norm and the activations that it does, by the library's pieces. They upload their own arrays and keep them on
 * the device.
 */
final class BatchNormLayer implements ResidentLayer {
    private final BatchNormTasks norm;
    private @Nullable FloatArray input;

    /**
     * @param name the prefix of its tasks
     * @param capacity the most rows of a batch, in training and in inference
     */
    BatchNormLayer(String name, ResidentNetwork.Layer.BatchNorm layer, int capacity, TornadoDevice device) {
        BatchShape shape = BatchShape.of(capacity, layer.config().features());
        norm = BatchNormTasks.builder(name, layer.config(), shape)
                .inputActivation(layer.activations().input())
                .activation(layer.activations().output())
                .build(device);
    }

    @Override
    public int outputs() {
        return norm.config().features();
    }

    @Override
    public FloatArray addForward(Tasks tasks, FloatArray x) {
        input = x;
        FloatArray y = new FloatArray(tasks.capacity() * outputs());
        norm.on(tasks.graph(), tasks.grids(), tasks.samples()).forward(x, y);
        return y;
    }

    @Override
    public FloatArray addInference(Tasks tasks, FloatArray x) {
        FloatArray y = new FloatArray(tasks.capacity() * outputs());
        norm.on(tasks.graph(), tasks.grids(), tasks.samples()).inference(x, y);
        return y;
    }

    /** In place: the returned dx is dy's array. */
    @Override
    public FloatArray addBackward(Tasks tasks, FloatArray dy) {
        if (input == null) {
            throw new IllegalStateException(norm.prefix() + ": the backward was added before the forward");
        }
        norm.on(tasks.graph(), tasks.grids(), tasks.samples()).backward(input, dy, dy);
        return dy;
    }

    @Override
    public List<Trained> trained() {
        return norm.config().affine()
                ? List.of(new Trained(norm.prefix(), norm.parameters(), norm.gradients()))
                : List.of();
    }
}
