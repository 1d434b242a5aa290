package org.batchnorm.bench.experiments.djl;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.optimizer.Optimizer;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.batchnorm.BatchNorm;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.jspecify.annotations.Nullable;

/**
 * Batch normalization where a network of DJL's is cut in two. DJL has no operation with a backward of the user's own,
 * so the graph that it records ends before this layer, at h, and another one begins after it, at y:
 *
 * <pre>{@code
 * x → part → h      layer      y → part → loss
 *         ← dh = dx ← backward ← dy
 * }</pre>
 *
 * <p>It works on the memory of float32 arrays on the CPU, without copies.
 */
public final class CutLayer implements AutoCloseable {
    private final String name;
    private final BatchNorm layer;
    private @Nullable NDArray h;
    private @Nullable NDArray y;

    /**
     * A layer with γ = 1 and β = 0.
     *
     * @param name of its parameters for the optimizer; no two layers of a network have the same
     * @param features C
     */
    public CutLayer(String name, int features) {
        this.name = name;
        this.layer = BatchNorm.builder(features).build();
    }

    /** The layer itself: γ, β, running statistics, whether it trains. */
    public BatchNorm layer() {
        return layer;
    }

    /**
     * Normalizes h.
     *
     * @param h (N, C) or (N, C, …), what the part before gave
     * @return y, shaped as h, in h's manager; in training the leaf of a new graph, to which {@link #backward} belongs
     * @throws IllegalArgumentException if h has other features, is not float32 or not on the CPU
     */
    public NDArray forward(NDArray h) {
        requireFloatsOnCpu(h);
        BatchShape shape = shape(h.getShape());
        NDArray normalized = h.getManager().create(h.getShape());
        layer.forward(batch(h, shape), batch(normalized, shape));
        if (layer.isTraining()) {
            normalized.setRequiresGradient(true);
            this.h = h;
            this.y = normalized;
        }
        return normalized;
    }

    /**
     * After DJL's backward through the part behind this layer: makes dx of y's gradient; γ's and β's gradients add up.
     *
     * @return {@code Σ h · dx}, whose gradient for h is dx: DJL's backward from there goes on through the part before
     * @throws IllegalStateException if no forward in training came before
     */
    public NDArray backward() {
        if (h == null || y == null) {
            throw new IllegalStateException("backward of " + name + ": no forward in training came before");
        }
        BatchShape shape = shape(h.getShape());
        NDArray dx = h.getManager().create(h.getShape());
        layer.backward(batch(h, shape), batch(y.getGradient(), shape), batch(dx, shape));
        NDArray product = h.mul(dx).sum();
        h = null;
        y = null;
        return product;
    }

    /** Changes γ and β as DJL's optimizer does it, and sets their gradients to zero. */
    public void update(Optimizer optimizer, NDManager manager) {
        update(optimizer, manager, ".gamma", layer.weight(), layer.weightGradient());
        update(optimizer, manager, ".beta", layer.bias(), layer.biasGradient());
        layer.zeroGradients();
    }

    private void update(Optimizer optimizer, NDManager manager, String parameter, float[] values, float[] gradient) {
        try (NDManager scope = manager.newSubManager()) {
            NDArray array = scope.create(values);
            optimizer.update(name + parameter, array, scope.create(gradient));
            System.arraycopy(array.toFloatArray(), 0, values, 0, values.length);
        }
    }

    @Override
    public void close() {
        layer.close();
    }

    /** The array's own memory: DJL copies only what lies in another order, which a gradient may. */
    private static Batch batch(NDArray array, BatchShape shape) {
        return Batch.of(MemorySegment.ofBuffer(array.toByteBuffer(true).order(ByteOrder.nativeOrder())), shape);
    }

    private static BatchShape shape(Shape shape) {
        long[] extents = shape.getShape();
        return BatchShape.channelsFirst(
                extents[0], Math.toIntExact(extents[1]), Arrays.copyOfRange(extents, 2, extents.length));
    }

    private void requireFloatsOnCpu(NDArray given) {
        if (given.getDataType() != DataType.FLOAT32
                || !given.getDevice().equals(Device.cpu())
                || given.getShape().dimension() < 2) {
            throw new IllegalArgumentException("h of " + name + ": " + given.getDataType() + " of shape "
                    + given.getShape() + " on " + given.getDevice()
                    + " given, must be float32 of shape (N, C) or (N, C, …) on cpu()");
        }
    }
}
