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
    private boolean fromOutput;
    private boolean beforeFromOutput;

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

    /** The same behind a residual, see {@link #backward(Batch, Batch, Batch, Batch, Batch)}. */
    public Tensors reduce(Batch x, Batch y, Batch dy, Batch dresidual) {
        return set(x, y, dy, null).withResidual(null, dresidual);
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
     * The tensors of a backward that does not know x, and of its stages: {@link #isFromOutput()}. In the place of x
     * stands y. There is no activation before batch norm, no residual, and |γ| is everywhere within 2⁻³² to 2³².
     *
     * @param y in, the output of the forward, which is {@link #x()}
     * @param dy in, the gradient by y
     * @param dx out, the gradient by x; may be the same memory as y or dy
     */
    public Tensors backwardFromOutput(Batch y, Batch dy, Batch dx) {
        set(y, null, dy, dx).fromOutput = true;
        return this;
    }

    /**
     * Whether {@link #x()} is the output of the forward, of which a backend makes {@code z = output⁻¹(y)} and {@code x̂
     * = (z − beta) / gamma}.
     */
    public boolean isFromOutput() {
        return fromOutput;
    }

    /** Tells that the backward of this forward will be one {@linkplain #isFromOutput() of y}. */
    public Tensors beforeBackwardFromOutput() {
        beforeFromOutput = true;
        return this;
    }

    /** Whether a backend must be able to make gradients of y, of these tensors or of those to come. */
    boolean needBackwardFromOutput() {
        return fromOutput || beforeFromOutput;
    }

    /**
     * The tensors of the backward of {@code y = output(BN(input(x)) + residual)}, and of its stages:
     * {@code reduceGradients} writes {@code dresidual = dy · output′(y)}, and {@code inputGradient} takes that for dy.
     *
     * @param x in, that of the forward
     * @param y in, the output of the forward, of which the activation's sign is taken
     * @param dy in, the gradient by y
     * @param dx out, the gradient by x; may be the same memory as x, y or dy
     * @param dresidual out, the gradient by the residual; may be the same memory as y or dy
     */
    public Tensors backward(Batch x, Batch y, Batch dy, Batch dx, Batch dresidual) {
        return set(x, y, dy, dx).withResidual(null, dresidual);
    }

    /**
     * Gives the operation a residual, which is added to the normalized values before the activation of the output.
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
        fromOutput = false;
        beforeFromOutput = false;
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
        some.fromOutput = fromOutput;
        some.beforeFromOutput = beforeFromOutput;
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

    /** Whether a thread may use all of them; some segments belong to one thread alone. */
    public boolean areAccessibleBy(Thread thread) {
        return isAccessible(x, thread)
                && isAccessible(y, thread)
                && isAccessible(dy, thread)
                && isAccessible(dx, thread)
                && isAccessible(residual, thread)
                && isAccessible(dresidual, thread);
    }

    private static boolean isAccessible(@Nullable Batch batch, Thread thread) {
        return batch == null || batch.isArray() || batch.segment().isAccessibleBy(thread);
    }

    /** Whether all are of types that operations take. */
    boolean areTakenBy(BatchNormOperations operations) {
        return isTaken(x, operations)
                && isTaken(y, operations)
                && isTaken(dy, operations)
                && isTaken(dx, operations)
                && isTaken(residual, operations)
                && isTaken(dresidual, operations);
    }

    /**
     * Refuses types that a backend does not take, and those beside which FLOAT64 does not stand.
     *
     * @throws IllegalArgumentException if a tensor is of such a type, an {@link ElementTypeRefusedException} if it is
     *     the backend that does not take it; the message names it
     */
    void requireTakenBy(BatchNormOperations operations, String backend) {
        if (areFloat32()) {
            return;
        }
        requireOneWidth("y", y);
        requireOneWidth("dy", dy);
        requireOneWidth("dx", dx);
        requireOneWidth("residual", residual);
        requireOneWidth("dresidual", dresidual);
        requireTaken("x", x, operations, backend);
        requireTaken("y", y, operations, backend);
        requireTaken("dy", dy, operations, backend);
        requireTaken("dx", dx, operations, backend);
        requireTaken("residual", residual, operations, backend);
        requireTaken("dresidual", dresidual, operations, backend);
    }

    /** Whether all are what every backend takes: a small batch has no time for more questions. */
    private boolean areFloat32() {
        return isFloat32(x)
                && isFloat32(y)
                && isFloat32(dy)
                && isFloat32(dx)
                && isFloat32(residual)
                && isFloat32(dresidual);
    }

    private static boolean isFloat32(@Nullable Batch batch) {
        return batch == null || batch.type() == ElementType.FLOAT32;
    }

    private void requireOneWidth(String name, @Nullable Batch batch) {
        if (batch == null || x == null) {
            return;
        }
        boolean isDouble = batch.type() == ElementType.FLOAT64;
        if (isDouble != (x.type() == ElementType.FLOAT64)) {
            throw new IllegalArgumentException(name + ": " + batch.type() + " given beside x of " + x.type() + ", must "
                    + (isDouble ? "not " : "") + "be FLOAT64: with one tensor of FLOAT64 all are");
        }
    }

    private static void requireTaken(
            String name, @Nullable Batch batch, BatchNormOperations operations, String backend) {
        if (batch != null && !isTaken(batch, operations)) {
            String why = batch.type().is16Bit() ? operations.whyNo16Bit() : "";
            String others = operations.takesFloat64() ? "FLOAT32 and FLOAT64" : "FLOAT32";
            throw new ElementTypeRefusedException(name + ": " + batch.type() + " given, but the backend " + backend
                    + " takes " + (operations.takes16Bit() ? "FLOAT32, FLOAT16 and BFLOAT16" : others)
                    + " alone" + (why.isEmpty() ? "" : ": " + why)
                    + "; give float32 values, or choose the backend auto, vector or scalar");
        }
    }

    private static boolean isTaken(@Nullable Batch batch, BatchNormOperations operations) {
        return batch == null
                || switch (batch.type()) {
                    case FLOAT32 -> true;
                    case FLOAT16, BFLOAT16 -> operations.takes16Bit();
                    case FLOAT64 -> operations.takesFloat64();
                };
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
