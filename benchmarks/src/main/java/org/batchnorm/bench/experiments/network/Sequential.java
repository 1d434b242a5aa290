package org.batchnorm.bench.experiments.network;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Layers one after another, with a stopwatch on each. */
public final class Sequential implements AutoCloseable {
    private final List<Layer> layers;
    private final long[] nanos;

    /**
     * A network of the given layers, which are closed with it.
     *
     * @throws IllegalArgumentException if there is none, or if a layer's inputs are not as many as the outputs of the
     *     layer before it
     */
    public Sequential(List<Layer> layers) {
        if (layers.isEmpty()) {
            throw new IllegalArgumentException("layers: none given, must be at least 1");
        }
        for (int i = 1; i < layers.size(); i++) {
            if (layers.get(i).inputs() != layers.get(i - 1).outputs()) {
                throw new IllegalArgumentException(
                        "layers[" + i + "]: " + layers.get(i).inputs()
                                + " inputs given, must be as many as the outputs of the layer before, "
                                + layers.get(i - 1).outputs());
            }
        }
        this.layers = List.copyOf(layers);
        this.nanos = new long[layers.size()];
    }

    /** The nanoseconds that some of the layers have taken so far, forward and backward. */
    public long nanos(Predicate<Layer> which) {
        return IntStream.range(0, nanos.length)
                .filter(i -> which.test(layers.get(i)))
                .mapToLong(i -> nanos[i])
                .sum();
    }

    /** The layers, first to last. */
    public List<Layer> layers() {
        return layers;
    }

    /** The width of a row of input. */
    public int inputs() {
        return layers.getFirst().inputs();
    }

    /** The width of a row of output. */
    public int outputs() {
        return layers.getLast().outputs();
    }

    /** The parameters of all layers, first to last. */
    public List<Parameter> parameters() {
        return layers.stream().flatMap(layer -> layer.parameters().stream()).toList();
    }

    /** Sets the gradients of all parameters to zero. */
    public void zeroGradients() {
        parameters().forEach(parameter -> Arrays.fill(parameter.gradient(), 0));
    }

    /** Memory for batches of n rows, to be used again and again. */
    public Activations activations(int n) {
        return new Activations(n, layers);
    }

    /**
     * Forward through all layers.
     *
     * @param x in, (n, inputs); kept for backward
     * @return the output of the last layer, (n, outputs), which the next call overwrites
     */
    public float[] forward(Activations activations, float[] x, boolean training) {
        activations.x = x;
        for (int i = 0; i < layers.size(); i++) {
            long start = System.nanoTime();
            layers.get(i).forward(activations.n, activations.input(i), activations.outputs.get(i), training);
            nanos[i] += System.nanoTime() - start;
        }
        return activations.outputs.getLast();
    }

    /**
     * Backward through all layers; adds to the gradients of the parameters. The gradient with respect to the input of
     * the network is not computed.
     *
     * @param activations as the training forward left them, with {@link Activations#outputGradient()} filled in
     */
    public void backward(Activations activations) {
        for (int i = layers.size() - 1; i >= 0; i--) {
            float @Nullable [] dx = i == 0 ? null : activations.outputGradients.get(i - 1);
            long start = System.nanoTime();
            layers.get(i)
                    .backward(
                            activations.n,
                            activations.input(i),
                            activations.outputs.get(i),
                            activations.outputGradients.get(i),
                            dx);
            nanos[i] += System.nanoTime() - start;
        }
    }

    @Override
    public void close() {
        layers.forEach(Layer::close);
    }

    /**
     * What flows between the layers for batches of n rows: every layer's output and the gradient with respect to it.
     */
    public static final class Activations {
        private final int n;
        private final List<float[]> outputs = new ArrayList<>();
        private final List<float[]> outputGradients = new ArrayList<>();
        private float[] x = {};

        private Activations(int n, List<Layer> layers) {
            this.n = n;
            for (Layer layer : layers) {
                outputs.add(new float[Math.multiplyExact(n, layer.outputs())]);
                outputGradients.add(new float[Math.multiplyExact(n, layer.outputs())]);
            }
        }

        /** The output of a layer, (n, outputs of that layer), the live array. */
        public float[] output(int layer) {
            return outputs.get(layer);
        }

        /** The gradient of the loss with respect to the network's output, (n, outputs), the live array. */
        public float[] outputGradient() {
            return outputGradients.getLast();
        }

        private float[] input(int layer) {
            return layer == 0 ? x : outputs.get(layer - 1);
        }
    }
}
