package org.batchnorm.data;

import java.util.Arrays;
import java.util.Comparator;
import java.util.Objects;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The shape of one batch: N samples, C features (channels), S spatial positions (1, L, H·W or D·H·W) and the order in
 * which they lie in memory. All arithmetic on it is checked, so that {@link #elements()} and {@link #bytes()} never
 * overflow. Without samples or without positions a batch has no values: it is valid, and changes nothing.
 *
 * @param n samples, ≥ 0
 * @param c features (channels), ≥ 1
 * @param spatial spatial positions of one sample, ≥ 0; 1 for data of shape (N, C)
 * @param layout where the features stand; with one spatial position both layouts are the same memory, and
 *     {@link Layout#CHANNELS_FIRST} stands for both
 */
public record BatchShape(long n, int c, long spatial, Layout layout) {

    /**
     * Checks the extents.
     *
     * @throws IllegalArgumentException if an extent is out of range or if the bytes of the batch overflow a
     *     {@code long}
     */
    public BatchShape {
        require(n >= 0, "n", n, "at least 0 samples");
        require(c >= 1, "c", c, "at least 1 feature");
        require(spatial >= 0, "spatial", spatial, "at least 0 spatial positions");
        requireGiven(layout, "layout", "CHANNELS_FIRST or CHANNELS_LAST");
        try {
            Math.multiplyExact(Math.multiplyExact(Math.multiplyExact(n, c), spatial), (long) Float.BYTES);
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException(
                    "shape: n × c × spatial = " + n + " × " + c + " × " + spatial
                            + " floats do not fit in 2^63 - 1 bytes; give a smaller batch",
                    e);
        }
        layout = spatial == 1 ? Layout.CHANNELS_FIRST : layout;
    }

    /** The shape (N, C), for which both layouts are the same. */
    public static BatchShape of(long n, int c) {
        return new BatchShape(n, c, 1, Layout.CHANNELS_FIRST);
    }

    /**
     * The shape (N, C, spatial…), channels first: {@code channelsFirst(n, c, l)}, {@code channelsFirst(n, c, h, w)} or
     * {@code channelsFirst(n, c, d, h, w)}.
     *
     * @throws IllegalArgumentException if an extent is out of range or the product overflows
     */
    public static BatchShape channelsFirst(long n, int c, long... spatial) {
        return new BatchShape(n, c, product(spatial), Layout.CHANNELS_FIRST);
    }

    /**
     * The shape (N, spatial…, C), channels last. The features are given second all the same: {@code channelsLast(n, c,
     * h, w)}.
     *
     * @throws IllegalArgumentException if an extent is out of range or the product overflows
     */
    public static BatchShape channelsLast(long n, int c, long... spatial) {
        return new BatchShape(n, c, product(spatial), Layout.CHANNELS_LAST);
    }

    /**
     * The shape of a dense tensor of N, C and spatial axes, whatever the order in which they lie in memory: what lies
     * without the features and what lies within them are each taken as one axis. So {@code (N, H, W, C)} in memory is
     * channels-last, {@code (N, C, W, H)} channels-first, and {@code (C, N, H, W)} is one sample of N·H·W positions.
     *
     * <p>The order of positions and samples does not matter to batch normalization, but all tensors of one operation
     * must have the same one: the same strides.
     *
     * @param extents N, C and the spatial ones, as many as there are
     * @param strides of the same axes, in elements; that of an axis of extent 1 does not matter
     * @throws IllegalArgumentException if an extent is out of range, or if the values overlap or have gaps between
     *     them: then give a dense copy
     */
    public static BatchShape ofStrides(long[] extents, long[] strides) {
        requireGiven(extents, "extents", "those of N, C and the spatial axes");
        requireGiven(strides, "strides", "those of N, C and the spatial axes");
        if (extents.length < 2 || strides.length != extents.length) {
            throw new IllegalArgumentException("strides: " + strides.length + " given for " + extents.length
                    + " extents, must be one for each of N, C and the spatial axes");
        }
        long n = extents[0];
        long c = extents[1];
        require(c <= Integer.MAX_VALUE, "extents[1]", c, "at most " + Integer.MAX_VALUE + " features");
        long[] spatial = Arrays.copyOfRange(extents, 2, extents.length);
        BatchShape channelsFirst = channelsFirst(n, (int) c, spatial);
        if (channelsFirst.elements() == 0) {
            return channelsFirst;
        }
        long within = positionsWithinFeatures(extents, strides);
        long without = channelsFirst.valuesPerFeature() / within;
        if (c == 1) {
            return channelsFirst;
        }
        return within == 1
                ? new BatchShape(n, (int) c, without / n, Layout.CHANNELS_LAST)
                : new BatchShape(without, (int) c, within, Layout.CHANNELS_FIRST);
    }

    /** How many values of one feature lie together; refuses what is not dense. */
    private static long positionsWithinFeatures(long[] extents, long[] strides) {
        int[] axes = IntStream.range(0, extents.length)
                .filter(axis -> extents[axis] > 1)
                .boxed()
                .sorted(Comparator.comparingLong(axis -> strides[axis]))
                .mapToInt(Integer::intValue)
                .toArray();
        long dense = 1;
        long within = 1;
        for (int axis : axes) {
            if (strides[axis] != dense) {
                throw new IllegalArgumentException("strides[" + axis + "]: " + strides[axis] + " given in strides "
                        + Arrays.toString(strides) + " of extents " + Arrays.toString(extents) + ", must be " + dense
                        + ", as many elements as lie within that axis: the values "
                        + (strides[axis] < dense ? "overlap" : "have gaps between them") + "; give a dense copy");
            }
            if (axis == 1) {
                within = dense;
            }
            dense *= extents[axis];
        }
        return within;
    }

    /** N · C · S, the number of values in the batch. */
    public long elements() {
        return n * c * spatial;
    }

    /** The bytes of the batch in float32. */
    public long bytes() {
        return elements() * Float.BYTES;
    }

    /** m = N · S, the number of values of each feature. */
    public long valuesPerFeature() {
        return n * spatial;
    }

    /**
     * Whether the features of one position are contiguous, which is so for channels-last data and for data of shape (N,
     * C).
     */
    public boolean featuresContiguous() {
        return layout == Layout.CHANNELS_LAST || spatial == 1;
    }

    @Override
    public String toString() {
        if (spatial == 1) {
            return "(" + n + ", " + c + ")";
        }
        return layout == Layout.CHANNELS_FIRST
                ? "(" + n + ", " + c + ", " + spatial + ") channels-first"
                : "(" + n + ", " + spatial + ", " + c + ") channels-last";
    }

    /**
     * By hand, as the JDK softly keeps the class loader of a record's components where it makes such methods itself.
     */
    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof BatchShape shape
                && n == shape.n
                && c == shape.c
                && spatial == shape.spatial
                && layout == shape.layout;
    }

    @Override
    public int hashCode() {
        return Objects.hash(n, c, spatial, layout);
    }

    private static long product(long[] spatial) {
        requireGiven(spatial, "spatial", "the spatial extents");
        long product = 1;
        for (int i = 0; i < spatial.length; i++) {
            require(spatial[i] >= 0, "spatial[" + i + "]", spatial[i], "at least 0 spatial positions");
            try {
                product = Math.multiplyExact(product, spatial[i]);
            } catch (ArithmeticException e) {
                throw new IllegalArgumentException(
                        "spatial: the product of " + Arrays.toString(spatial)
                                + " overflows 2^63 - 1; give smaller extents",
                        e);
            }
        }
        return product;
    }

    private static void require(boolean condition, String argument, long given, String right) {
        if (!condition) {
            throw new IllegalArgumentException(argument + ": " + given + " given, must be " + right);
        }
    }

    /** Refuses null; {@code right} says what the argument must be. */
    static void requireGiven(@Nullable Object value, String argument, String right) {
        if (value == null) {
            throw new IllegalArgumentException(argument + ": null given, must be " + right);
        }
    }
}
