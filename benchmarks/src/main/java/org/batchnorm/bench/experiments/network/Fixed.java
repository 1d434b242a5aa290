package org.batchnorm.bench.experiments.network;

import org.jspecify.annotations.Nullable;

/** A first layer that is not trained: it has no parameters to the outside, and computes no gradients. */
public final class Fixed implements Layer {
    private final Layer layer;

    /** Fixes a layer, which is closed with this one. */
    public Fixed(Layer layer) {
        this.layer = layer;
    }

    @Override
    public int inputs() {
        return layer.inputs();
    }

    @Override
    public int outputs() {
        return layer.outputs();
    }

    @Override
    public void forward(int n, float[] x, float[] y, boolean training) {
        layer.forward(n, x, y, training);
    }

    /**
     * Does nothing.
     *
     * @throws IllegalArgumentException if a gradient with respect to the input is wanted: the layer is not the first
     */
    @Override
    public void backward(int n, float[] x, float[] y, float[] dy, float @Nullable [] dx) {
        if (dx != null) {
            throw new IllegalArgumentException("dx: an array given, must be null: only a first layer can be fixed");
        }
    }

    @Override
    public void close() {
        layer.close();
    }
}
