package org.batchnorm.bench.experiments.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.djl.training.loss.Loss;
import ai.djl.training.optimizer.Optimizer;
import java.util.ArrayList;
import java.util.List;

/**
 * A network of DJL's blocks with batch normalization between every two of them, and its training loop. The loop is the
 * user's: DJL's own, {@code EasyTrain}, does one backward a step, and here is one for every part.
 */
public final class CutNetwork implements AutoCloseable {
    private final NDManager manager;
    private final List<Block> parts;
    private final List<CutLayer> layers = new ArrayList<>();
    private final ParameterStore parameters;

    /**
     * Initializes the parts, and makes the layers between them.
     *
     * @param manager of the parameters
     * @param parts in order, not yet initialized, at least one
     * @param input the shape of a batch
     */
    public CutNetwork(NDManager manager, List<Block> parts, Shape input) {
        this.manager = manager;
        this.parts = List.copyOf(parts);
        this.parameters = new ParameterStore(manager, false);
        Shape shape = input;
        for (Block part : parts) {
            part.initialize(manager, DataType.FLOAT32, shape);
            shape = part.getOutputShapes(new Shape[] {shape})[0];
            if (layers.size() < parts.size() - 1) {
                layers.add(new CutLayer("batchNorm" + layers.size(), Math.toIntExact(shape.get(1))));
            }
        }
    }

    /** The batch normalizations, in order. */
    public List<CutLayer> layers() {
        return layers;
    }

    /**
     * What the last part gives, by the running statistics.
     *
     * @param x in a manager of the caller's, which the result is in, too
     */
    public NDArray predict(NDArray x) {
        layers.forEach(layer -> layer.layer().eval());
        return forward(x, false);
    }

    /**
     * One step: forward, backward, and the optimizer's update of every parameter.
     *
     * @param x a batch, in a manager that the caller closes after the step
     * @return the loss
     */
    public float step(NDArray x, NDArray labels, Loss loss, Optimizer optimizer) {
        layers.forEach(layer -> layer.layer().train());
        float value;
        try (GradientCollector collector = manager.getEngine().newGradientCollector()) {
            NDArray result = loss.evaluate(new NDList(labels), new NDList(forward(x, true)));
            collector.backward(result);
            for (CutLayer layer : layers.reversed()) {
                collector.backward(layer.backward());
            }
            value = result.getFloat();
        }
        update(optimizer);
        return value;
    }

    private NDArray forward(NDArray x, boolean training) {
        NDArray h = x;
        for (int i = 0; i < parts.size(); i++) {
            h = parts.get(i).forward(parameters, new NDList(h), training).singletonOrThrow();
            if (i < layers.size()) {
                h = layers.get(i).forward(h);
            }
        }
        return h;
    }

    private void update(Optimizer optimizer) {
        for (Block part : parts) {
            for (Parameter parameter : part.getParameters().values()) {
                NDArray gradient = parameter.getArray().getGradient();
                optimizer.update(parameter.getId(), parameter.getArray(), gradient);
                // DJL adds gradients up.
                gradient.subi(gradient);
                gradient.close();
            }
        }
        layers.forEach(layer -> layer.update(optimizer, manager));
    }

    /** Closes the layers; the parameters are the manager's. */
    @Override
    public void close() {
        layers.forEach(CutLayer::close);
    }
}
