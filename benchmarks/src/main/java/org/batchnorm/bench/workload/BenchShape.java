package org.batchnorm.bench.workload;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonValue;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.Layout;

/**
 * A shape as the benchmarks name it: {@code NxC}, {@code NxCxL} or {@code NxCxHxW}, features second as PyTorch writes
 * it, with {@code :channels-last} behind it where the features lie last in memory. {@code 32x64x56x56:channels-last} is
 * a batch of 32 images of 64 channels and 56 × 56 pixels whose 64 channels of one pixel are contiguous.
 *
 * @param extents N, C and the spatial extents
 * @param layout the order in memory; channels-first where there are no spatial extents
 */
public record BenchShape(List<Long> extents, Layout layout) {

    private static final String CHANNELS_LAST = ":channels-last";

    /** The longest arrays that JVMs make. */
    private static final int LONGEST_ARRAY = Integer.MAX_VALUE - 8;

    /**
     * Checks the extents.
     *
     * @throws IllegalArgumentException if there are fewer than two or one is not positive
     */
    public BenchShape {
        extents = List.copyOf(extents);
        if (extents.size() < 2 || extents.stream().anyMatch(extent -> extent < 1)) {
            throw new IllegalArgumentException(
                    "shape: " + extents + " given, must be N, C and spatial extents, each at least 1");
        }
        if (layout == Layout.CHANNELS_LAST && extents.size() == 2) {
            throw new IllegalArgumentException("shape: " + extents + CHANNELS_LAST
                    + " given; without spatial extents both layouts are the same, leave " + CHANNELS_LAST + " out");
        }
    }

    /** Shape (N, C). */
    public static BenchShape of(long n, long c) {
        return new BenchShape(List.of(n, c), Layout.CHANNELS_FIRST);
    }

    /**
     * Reads {@code 1024x256}, {@code 32x64x56x56} or {@code 32x64x56x56:channels-last}.
     *
     * @throws IllegalArgumentException if the text is none
     */
    @JsonCreator
    public static BenchShape parse(String text) {
        boolean channelsLast = text.endsWith(CHANNELS_LAST);
        String extents = channelsLast ? text.substring(0, text.length() - CHANNELS_LAST.length()) : text;
        if (!extents.matches("[0-9]{1,18}(x[0-9]{1,18})+")) {
            throw new IllegalArgumentException("shape: \"" + text
                    + "\" given, must look like 1024x256, 32x64x56x56 or 32x64x56x56" + CHANNELS_LAST);
        }
        return new BenchShape(
                Arrays.stream(extents.split("x")).map(Long::valueOf).toList(),
                channelsLast ? Layout.CHANNELS_LAST : Layout.CHANNELS_FIRST);
    }

    /** N, the samples. */
    public long n() {
        return extents.get(0);
    }

    /**
     * C, the features.
     *
     * @throws IllegalArgumentException if they are more than the library takes
     */
    public int c() {
        long features = extents.get(1);
        if (features > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("shape: " + this + " given has " + features
                    + " features (second), must have at most " + Integer.MAX_VALUE);
        }
        return (int) features;
    }

    /** The spatial extents; empty for (N, C). */
    public List<Long> spatial() {
        return extents.subList(2, extents.size());
    }

    /** The shape as the library takes it. */
    public BatchShape batchShape() {
        long[] spatial = spatial().stream().mapToLong(Long::longValue).toArray();
        return layout == Layout.CHANNELS_FIRST
                ? BatchShape.channelsFirst(n(), c(), spatial)
                : BatchShape.channelsLast(n(), c(), spatial);
    }

    /**
     * N · C · S as an array length.
     *
     * @throws IllegalArgumentException if no array is that long
     */
    public int elements() {
        return (int) requireArray().batchShape().elements();
    }

    /**
     * This shape, if an array holds its values.
     *
     * @throws IllegalArgumentException if no array is that long
     */
    public BenchShape requireArray() {
        long elements = batchShape().elements();
        if (elements > LONGEST_ARRAY) {
            throw new IllegalArgumentException("shape: " + this + " given has " + elements
                    + " values, must have at most " + LONGEST_ARRAY + ", as an array has");
        }
        return this;
    }

    /** The text that {@link #parse} reads. */
    @JsonValue
    @Override
    public String toString() {
        return extents.stream().map(String::valueOf).collect(Collectors.joining("x"))
                + (layout == Layout.CHANNELS_LAST ? CHANNELS_LAST : "");
    }
}
