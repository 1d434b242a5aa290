package org.batchnorm.bench.tornadovm.resident;

import java.util.List;
import org.jspecify.annotations.Nullable;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** The fully connected layer {@code y = x · W + b}. */
final class LinearLayer implements ResidentLayer {
    private final String name;
    private final int inputs;
    private final int outputs;
    private final IntArray size;
    private final FloatArray weights;
    private final FloatArray gradients;
    private @Nullable FloatArray input;

    /**
     * @param name the prefix of its tasks
     * @param weight (inputs, outputs)
     * @param bias (outputs)
     */
    LinearLayer(String name, float[] weight, float[] bias) {
        this.name = name;
        this.outputs = bias.length;
        this.inputs = weight.length / outputs;
        this.size = IntArray.fromElements(inputs, outputs);
        this.weights = new FloatArray(weight.length + bias.length);
        this.gradients = new FloatArray(weight.length + bias.length);
        for (int i = 0; i < weight.length; i++) {
            weights.set(i, weight[i]);
        }
        for (int i = 0; i < outputs; i++) {
            weights.set(weight.length + i, bias[i]);
        }
    }

    @Override
    public int outputs() {
        return outputs;
    }

    @Override
    public FloatArray addForward(Tasks tasks, FloatArray x) {
        input = x;
        return addInference(tasks, x);
    }

    @Override
    public FloatArray addInference(Tasks tasks, FloatArray x) {
        FloatArray y = new FloatArray(tasks.capacity() * outputs);
        String task = name + "Forward";
        tasks.overTiles(task, outputs, tasks.capacity());
        tasks.graph().task(task, NetworkKernels::linear, new KernelContext(), tasks.rows(), size, x, weights, y);
        return y;
    }

    @Override
    public FloatArray addBackward(Tasks tasks, FloatArray dy) {
        addParameterGradients(tasks, dy);
        FloatArray dx = new FloatArray(tasks.capacity() * inputs);
        String task = name + "InputGradient";
        tasks.overTiles(task, inputs, tasks.capacity());
        tasks.graph()
                .task(
                        task,
                        NetworkKernels::linearInputGradient,
                        new KernelContext(),
                        tasks.rows(),
                        size,
                        dy,
                        weights,
                        dx);
        return dx;
    }

    @Override
    public void addParameterGradients(Tasks tasks, FloatArray dy) {
        if (input == null) {
            throw new IllegalStateException(name + ": the backward was added before the forward");
        }
        String task = name + "WeightGradient";
        tasks.overTiles(task, outputs, inputs + 1);
        tasks.graph()
                .task(
                        task,
                        NetworkKernels::linearWeightGradient,
                        new KernelContext(),
                        tasks.rows(),
                        size,
                        input,
                        dy,
                        gradients);
    }

    @Override
    public List<Trained> trained() {
        return List.of(new Trained(name, weights, gradients));
    }

    @Override
    public List<Object> resident() {
        return List.of(size, weights);
    }
}
