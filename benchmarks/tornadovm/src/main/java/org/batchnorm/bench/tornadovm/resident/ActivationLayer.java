package org.batchnorm.bench.tornadovm.resident;

import org.jspecify.annotations.Nullable;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** An activation: LeakyReLU or sigmoid, value by value. */
final class ActivationLayer implements ResidentLayer {
    private final String name;
    private final int width;
    private final boolean sigmoid;
    private final float slope;
    private @Nullable FloatArray kept;

    private ActivationLayer(String name, int width, boolean sigmoid, float slope) {
        this.name = name;
        this.width = width;
        this.sigmoid = sigmoid;
        this.slope = slope;
    }

    /** {@code y = x} for x &gt; 0, else {@code y = slope · x}. */
    static ActivationLayer leakyRelu(String name, int width, float slope) {
        return new ActivationLayer(name, width, false, slope);
    }

    /** {@code y = 1 / (1 + exp(−x))}. */
    static ActivationLayer sigmoid(String name, int width) {
        return new ActivationLayer(name, width, true, 0);
    }

    @Override
    public int outputs() {
        return width;
    }

    @Override
    public FloatArray addForward(Tasks tasks, FloatArray x) {
        FloatArray y = addInference(tasks, x);
        kept = sigmoid ? y : x;
        return y;
    }

    @Override
    public FloatArray addInference(Tasks tasks, FloatArray x) {
        FloatArray y = new FloatArray(tasks.capacity() * width);
        String task = name + "Forward";
        tasks.overElements(task, tasks.capacity() * width);
        if (sigmoid) {
            tasks.graph().task(task, NetworkKernels::sigmoid, new KernelContext(), tasks.rows(), x, y, width);
        } else {
            tasks.graph().task(task, NetworkKernels::leakyRelu, new KernelContext(), tasks.rows(), x, y, width, slope);
        }
        return y;
    }

    /** In place: the returned dx is dy's array. */
    @Override
    public FloatArray addBackward(Tasks tasks, FloatArray dy) {
        if (kept == null) {
            throw new IllegalStateException(name + ": the backward was added before the forward");
        }
        String task = name + "Gradient";
        tasks.overElements(task, tasks.capacity() * width);
        if (sigmoid) {
            tasks.graph()
                    .task(task, NetworkKernels::sigmoidGradient, new KernelContext(), tasks.rows(), kept, dy, width);
        } else {
            tasks.graph()
                    .task(
                            task,
                            NetworkKernels::leakyReluGradient,
                            new KernelContext(),
                            tasks.rows(),
                            kept,
                            dy,
                            width,
                            slope);
        }
        return dy;
    }
}
