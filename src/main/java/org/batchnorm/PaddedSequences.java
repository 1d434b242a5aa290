package org.batchnorm;

import java.util.Arrays;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.jspecify.annotations.Nullable;

/**
 * Sequences of different lengths, padded to the longest, for one layer: of sample n the first {@code lengths[n]}
 * positions count, the rest is padding. Statistics and gradients are those of the positions that count alone, as Keras
 * has it with a mask; a layer that is given such a batch as it is takes the padding for values, and normalizes a
 * sentence differently for the longer ones that stand beside it.
 *
 * <pre>{@code
 * PaddedSequences sequences = new PaddedSequences(layer, Padding.ZERO);
 * sequences.forward(x, y, lengths);          // (N, C, L) or (N, L, C)
 * sequences.backward(x, dy, dx);             // the lengths are those of the forward
 * }</pre>
 *
 * <p>With m = Σ lengths, and sums over the positions that count: {@code μ = Σ x / m}, {@code σ² = Σ (x − μ)² / m}, and
 * the formulas of {@link BatchNorm#backward(Batch, Batch, Batch)}. The running statistics follow these. What stands in
 * the padding of an input is not read: it may be NaN. The layer may have activations, and a residual may be added.
 *
 * <p>The positions that count are copied together, so that the layer sees a batch of m values a feature and nothing
 * else; one copy of x and one of the output are kept between calls, and with a residual one more, of the layer's
 * element type. Data and their errors are as in {@link BatchNorm}: y may be the same memory as x, if x is there again
 * for the backward, and dx the same as x or dy. One object serves one thread at a time.
 */
public final class PaddedSequences {
    /** What is written to the positions of an output that do not count. */
    public enum Padding {
        /** Zeros. */
        ZERO,
        /** Nothing: they stay as they are. */
        UNTOUCHED
    }

    private final BatchNorm layer;
    private final Padding padding;
    private final SavedStatistics saved;
    private Batch packedX;
    private Batch packedOut;
    private Batch packedY;

    /** Of the forward that waits for its backward; null: none does. */
    private @Nullable BatchShape shape;

    private int[] lengthsOfForward = {};
    private @Nullable Batch overwrittenInput;

    /**
     * Sequences for a layer, whose mode, parameters and statistics are as they are.
     *
     * @param padding what is written to the padding of y, dx and dresidual
     * @throws IllegalArgumentException if the layer's statistics are those of ghost batches
     */
    public PaddedSequences(BatchNorm layer, Padding padding) {
        Arguments.requireGiven("layer", layer, "a BatchNorm");
        Arguments.requireGiven("padding", padding, "ZERO or UNTOUCHED");
        if (layer.function.operations instanceof GhostOperations) {
            throw new IllegalArgumentException(
                    "layer: built with ghostBatch, which takes slices of samples; must be a layer"
                            + " without, as the positions that count are given to it as one batch");
        }
        this.layer = layer;
        this.padding = padding;
        int features = layer.config().features();
        this.saved = new SavedStatistics(features);
        this.packedX = room(null, BatchShape.of(0, features));
        this.packedOut = room(null, BatchShape.of(0, features));
        this.packedY = room(null, BatchShape.of(0, features));
    }

    private Batch room(@Nullable Batch kept, BatchShape packed) {
        int values = (int) packed.elements();
        if (layer.config().elementType() == ElementType.FLOAT64) {
            return Batch.of(
                    kept != null && kept.doubles().length >= values ? kept.doubles() : new double[values], packed);
        }
        return Batch.of(kept != null && kept.array().length >= values ? kept.array() : new float[values], packed);
    }

    /**
     * Normalizes the positions that count, as the layer's mode says.
     *
     * @param x in, (N, C, L) or (N, L, C)
     * @param y out, the shape of x; may be the same memory
     * @param newLengths in, (N): how many positions of each sample count, 0 to L; a copy is kept for the backward
     * @throws IllegalArgumentException if a shape or a length is wrong, or if batch statistics of one value are asked
     *     for
     * @throws IllegalStateException if the layer is closed or in use by another thread
     */
    public void forward(Batch x, Batch y, int[] newLengths) {
        normalize(x, null, y, newLengths);
    }

    /**
     * Normalizes the positions that count and adds a residual, {@code y = activation(BN(x) + residual)}, as
     * {@link BatchNorm#forward(Batch, Batch, Batch)} does.
     *
     * @param residual in, the shape of x; may be the memory of x or y
     * @throws IllegalArgumentException if a shape or a length is wrong, if batch statistics of one value are asked for,
     *     or if the backend adds no residual
     * @throws IllegalStateException if the layer is closed or in use by another thread
     */
    public void forward(Batch x, Batch residual, Batch y, int[] newLengths) {
        BatchNormFunction.requireResidual(residual);
        normalize(x, residual, y, newLengths);
    }

    private void normalize(Batch x, @Nullable Batch residual, Batch y, int[] newLengths) {
        layer.function.requireForward(x, residual, y);
        requireLengths(newLengths, x.shape());
        int[] lengths = newLengths.clone();
        pack(x, lengths);
        if (residual == null) {
            layer.forward(packedX, packedOut, saved);
        } else {
            copy(residual, lengths, packedOut, false);
            layer.forward(packedX, packedOut, packedOut, saved);
        }
        shape = x.shape();
        lengthsOfForward = lengths;
        overwrittenInput = x.overlap(y) > 0 && !layer.function.recomputation.wanted() ? y : null;
        copy(y, lengths, packedOut, true);
    }

    /** Copies what counts of x together, and makes room for as much. */
    private void pack(Batch x, int[] lengths) {
        BatchShape packed = packedShape(x.shape(), lengths);
        packedX = room(packedX, packed);
        packedOut = room(packedOut, packed);
        copy(x, lengths, packedX, false);
    }

    /**
     * The gradients of the last forward: writes dx, and adds those of γ and β to the layer's.
     *
     * @param x in: the input of that forward (a copy, if it ran in place), or its output, if x is recomputed from it
     * @param dy in, the shape of x
     * @param dx out, the shape of x; may be the same memory as dy or x
     * @throws IllegalArgumentException if a shape is wrong
     * @throws IllegalStateException if no forward is waiting for its backward, or one with a residual that an
     *     activation followed, or the layer is closed or in use
     */
    public void backward(Batch x, Batch dy, Batch dx) {
        layer.function.requireOpen();
        layer.function.arguments.requireBackward(x, dy, dx);
        requireForward(x);
        int[] lengths = lengthsOfForward;
        pack(x, lengths);
        copy(dy, lengths, packedOut, false);
        layer.backward(packedX, packedOut, packedOut, saved);
        shape = null;
        copy(dx, lengths, packedOut, true);
    }

    /**
     * The gradients of the last forward with a residual, as {@link BatchNorm#backward(Batch, Batch, Batch, Batch,
     * Batch)} has them.
     *
     * @param x in: the input of that forward (a copy, if y was written over it)
     * @param y in, the shape of x: the output of that forward; and dy, the gradient of the loss by it
     * @param dx out, the shape of x; may be the same memory as x, y or dy
     * @param dresidual out, the shape of x: the gradient by the residual; may be that of y or dy, not of x or dx
     * @throws IllegalArgumentException if a shape or memory is wrong
     * @throws IllegalStateException if no forward with a residual is waiting, or the layer is closed or in use
     */
    public void backward(Batch x, Batch y, Batch dy, Batch dx, Batch dresidual) {
        layer.function.requireOpen();
        layer.function.arguments.requireBackward(x, y, dy, dx, dresidual);
        requireForward(x);
        int[] lengths = lengthsOfForward;
        pack(x, lengths);
        packedY = room(packedY, packedX.shape());
        copy(y, lengths, packedY, false);
        copy(dy, lengths, packedOut, false);
        layer.backward(packedX, packedY, packedOut, packedY, packedOut, saved);
        shape = null;
        copy(dx, lengths, packedY, true);
        copy(dresidual, lengths, packedOut, true);
    }

    private void requireForward(Batch x) {
        if (shape == null) {
            throw new IllegalStateException("backward: no forward is waiting for its backward; call forward before each"
                    + " backward, and backward once for each forward");
        }
        if (!x.shape().equals(shape)) {
            throw new IllegalArgumentException("shape: " + x.shape() + " given, must be that of the forward, " + shape);
        }
        if (overwrittenInput != null && overwrittenInput.overlap(x) > 0) {
            throw new IllegalArgumentException(
                    "x: the forward ran in place and has overwritten it with y; give a copy of"
                            + " x that was made before the forward");
        }
    }

    private static void requireLengths(int[] lengths, BatchShape shape) {
        Arguments.requireGiven("lengths", lengths, "an int[] of N lengths");
        if (lengths.length != shape.n()) {
            throw new IllegalArgumentException("lengths: int[" + lengths.length
                    + "] given, must have one length for each of the " + shape.n() + " samples of shape " + shape);
        }
        for (int n = 0; n < lengths.length; n++) {
            if (lengths[n] < 0 || lengths[n] > shape.spatial()) {
                throw new IllegalArgumentException("lengths[" + n + "]: " + lengths[n] + " given, must be 0 to "
                        + shape.spatial() + ", the positions of shape " + shape);
            }
        }
    }

    /** One sample whose positions are those that count; features lie as they do in the batch. */
    private static BatchShape packedShape(BatchShape shape, int[] lengths) {
        long positions = Arrays.stream(lengths).asLongStream().sum();
        if (positions * shape.c() > Integer.MAX_VALUE - Long.BYTES) {
            throw new IllegalArgumentException("lengths: " + positions + " positions of " + shape.c()
                    + " features count, must be fewer than 2^31 values together");
        }
        return shape.featuresContiguous()
                ? BatchShape.of(positions, shape.c())
                : BatchShape.channelsFirst(1, shape.c(), positions);
    }

    /** Copies the positions that count out of a batch, or into it, which then has its padding written too. */
    private void copy(Batch batch, int[] lengths, Batch packed, boolean intoBatch) {
        BatchShape of = batch.shape();
        // Of channels-last data a sample is one run whose positions have C values, else C runs of one value each.
        boolean contiguous = of.featuresContiguous();
        int runs = contiguous ? 1 : of.c();
        int perPosition = contiguous ? of.c() : 1;
        int positions = Arrays.stream(lengths).sum();
        long run = of.spatial() * perPosition;
        int before = 0;
        for (int n = 0; n < lengths.length; n++) {
            int values = lengths[n] * perPosition;
            for (int c = 0; c < runs; c++) {
                long at = (n * (long) runs + c) * run;
                int packedAt = (c * positions + before) * perPosition;
                if (intoBatch) {
                    copyFrom(packed, packedAt, batch, at, values);
                    clearPadding(batch, at + values, run - values);
                } else {
                    copyTo(batch, at, packed, packedAt, values);
                }
            }
            before += lengths[n];
        }
    }

    private static void copyTo(Batch batch, long at, Batch packed, int packedAt, int values) {
        if (batch.type() == ElementType.FLOAT64) {
            batch.copyTo(at, packed.doubles(), packedAt, values);
        } else {
            batch.copyTo(at, packed.array(), packedAt, values);
        }
    }

    private static void copyFrom(Batch packed, int packedAt, Batch batch, long at, int values) {
        if (batch.type() == ElementType.FLOAT64) {
            batch.copyFrom(packed.doubles(), packedAt, at, values);
        } else {
            batch.copyFrom(packed.array(), packedAt, at, values);
        }
    }

    private void clearPadding(Batch batch, long at, long values) {
        if (padding == Padding.ZERO && values > 0) {
            int bytes = batch.type().bytes();
            batch.segment().asSlice(at * bytes, values * bytes).fill((byte) 0);
        }
    }
}
