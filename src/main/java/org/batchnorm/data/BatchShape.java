package org.batchnorm.data;

/**
 * The shape of one batch: N samples, C features (channels), S spatial positions (1, L, H·W or D·H·W) and the order in
 * which they lie in memory. All arithmetic on it is checked, so that {@link #elements()} and {@link #bytes()} never
 * overflow.
 *
 * @param n samples, ≥ 0 (an empty batch is valid in inference only)
 * @param c features (channels), ≥ 1
 * @param spatial spatial positions of one sample, ≥ 1; 1 for data of shape (N, C)
 * @param layout where the features stand; without spatial positions both layouts are the same memory
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
        require(spatial >= 1, "spatial", spatial, "at least 1 spatial position");
        try {
            Math.multiplyExact(Math.multiplyExact(Math.multiplyExact(n, c), spatial), (long) Float.BYTES);
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException(
                    "shape: n × c × spatial = " + n + " × " + c + " × " + spatial
                            + " floats do not fit in 2^63 - 1 bytes; give a smaller batch",
                    e);
        }
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

    private static long product(long[] spatial) {
        long product = 1;
        for (int i = 0; i < spatial.length; i++) {
            require(spatial[i] >= 1, "spatial[" + i + "]", spatial[i], "at least 1 spatial position");
            try {
                product = Math.multiplyExact(product, spatial[i]);
            } catch (ArithmeticException e) {
                throw new IllegalArgumentException(
                        "spatial: the product of " + java.util.Arrays.toString(spatial)
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
}
