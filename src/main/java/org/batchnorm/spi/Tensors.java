package org.batchnorm.spi;

import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.jspecify.annotations.Nullable;

/**
 * The tensors of one operation. Those that an operation does not have are absent; all have the same shape. Whoever
 * calls a backend fills the same object anew for each operation, so that nothing is allocated. A backend keeps no
 * reference to it or to its tensors.
 */
public final class Tensors {
    private final Activations activations;
    private @Nullable Batch x;
    private @Nullable Batch y;
    private @Nullable Batch dy;
    private @Nullable Batch dx;
    private @Nullable Batch residual;
    private @Nullable Batch dresidual;

    /** Without any tensor, and for batch normalization alone. */
    public Tensors() {
        this(Activations.NONE);
    }

    /**
     * Without any tensor.
     *
     * @param activations what the operations do beside batch normalization
     */
    public Tensors(Activations activations) {
        this.activations = activations;
    }

    /** What the operations do beside batch normalization; a backend that does not must refuse them. */
    public Activations activations() {
        return activations;
    }

    /** The tensors of {@code collectStatistics}: x alone. */
    public Tensors collect(Batch x) {
        return set(x, null, null, null);
    }

    /**
     * The tensors of {@code transform} and {@code forward}.
     *
     * @param x in
     * @param y out; may be the same memory as x
     */
    public Tensors forward(Batch x, Batch y) {
        return set(x, y, null, null);
    }

    /** The tensors of {@code reduceGradients} alone: x, that of the forward, and dy. */
    public Tensors reduce(Batch x, Batch dy) {
        return set(x, null, dy, null);
    }

    /**
     * The tensors of {@code reduceGradients}, {@code inputGradient} and {@code backward}.
     *
     * @param x in, that of the forward
     * @param dy in, the gradient by y
     * @param dx out, the gradient by x; may be the same memory as x or dy
     */
    public Tensors backward(Batch x, Batch dy, Batch dx) {
        return set(x, null, dy, dx);
    }

    /**
     * Gives the operation a residual, which is to be added to the normalized values. The CPU backends refuse one.
     *
     * @param residual in, or null
     * @param dresidual out, the gradient by it, or null
     */
    public Tensors withResidual(@Nullable Batch residual, @Nullable Batch dresidual) {
        this.residual = residual;
        this.dresidual = dresidual;
        return this;
    }

    private Tensors set(Batch newX, @Nullable Batch newY, @Nullable Batch newDy, @Nullable Batch newDx) {
        x = newX;
        y = newY;
        dy = newDy;
        dx = newDx;
        residual = null;
        dresidual = null;
        return this;
    }

    /** All of these tensors, of some of the samples alone. */
    public Tensors samples(long from, long count) {
        Tensors some = new Tensors(activations);
        some.x = samples(x, from, count);
        some.y = samples(y, from, count);
        some.dy = samples(dy, from, count);
        some.dx = samples(dx, from, count);
        some.residual = samples(residual, from, count);
        some.dresidual = samples(dresidual, from, count);
        return some;
    }

    private static @Nullable Batch samples(@Nullable Batch batch, long from, long count) {
        return batch == null ? null : batch.samples(from, count);
    }

    /** Lets go of all of them. */
    public void clear() {
        x = null;
        y = null;
        dy = null;
        dx = null;
        residual = null;
        dresidual = null;
    }

    /** Whether none is of another type. */
    boolean areFloat32() {
        return isFloat32(x)
                && isFloat32(y)
                && isFloat32(dy)
                && isFloat32(dx)
                && isFloat32(residual)
                && isFloat32(dresidual);
    }

    /**
     * Refuses other types, for a backend that takes float32 alone.
     *
     * @throws IllegalArgumentException if a tensor is of another type; the message names it
     */
    void requireFloat32(String backend) {
        requireFloat32("x", x, backend);
        requireFloat32("y", y, backend);
        requireFloat32("dy", dy, backend);
        requireFloat32("dx", dx, backend);
        requireFloat32("residual", residual, backend);
        requireFloat32("dresidual", dresidual, backend);
    }

    private static void requireFloat32(String name, @Nullable Batch batch, String backend) {
        if (batch != null && !isFloat32(batch)) {
            throw new IllegalArgumentException(name + ": " + batch.type() + " given, but the backend " + backend
                    + " takes FLOAT32 alone; give float32 values, or choose the backend auto, vector or scalar");
        }
    }

    private static boolean isFloat32(@Nullable Batch batch) {
        return batch == null || batch.type() == ElementType.FLOAT32;
    }

    /** The shape that all have. */
    public BatchShape shape() {
        return x().shape();
    }

    /** The input of the forward. */
    public Batch x() {
        return present("x", x);
    }

    /** The output of the forward. */
    public Batch y() {
        return present("y", y);
    }

    /** The gradient of the loss by y. */
    public Batch dy() {
        return present("dy", dy);
    }

    /** The gradient of the loss by x. */
    public Batch dx() {
        return present("dx", dx);
    }

    /** What is to be added to the normalized values; null: nothing. */
    public @Nullable Batch residual() {
        return residual;
    }

    /** The gradient of the loss by the residual. */
    public @Nullable Batch dresidual() {
        return dresidual;
    }

    private static Batch present(String name, @Nullable Batch batch) {
        if (batch == null) {
            throw new IllegalStateException("the operation has no " + name);
        }
        return batch;
    }
}
