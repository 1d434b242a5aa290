package org.batchnorm.dl4j;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/**
 * The order in which the values of a dense array lie in memory, and what that is to batch normalization. All arrays of
 * one operation must have the same one.
 */
final class DenseLayout {

    /** Makes an array in C order. */
    @FunctionalInterface
    interface Allocator {
        INDArray create(long[] extents);
    }

    private final long[] extents;
    private final long[] strides;
    private final BatchShape shape;
    private final int[] outermostFirst;

    private DenseLayout(long[] extents, long[] strides, int featureAxis) {
        this.extents = extents;
        this.strides = strides;
        int[] featuresSecond = featuresSecond(extents.length, featureAxis);
        this.shape = BatchShape.ofStrides(reordered(extents, featuresSecond), reordered(strides, featuresSecond));
        this.outermostFirst = IntStream.range(0, extents.length)
                .boxed()
                .sorted(Comparator.comparingLong(axis -> -strides[axis]))
                .mapToInt(Integer::intValue)
                .toArray();
    }

    /**
     * The layout of an array.
     *
     * @param featureAxis which of its axes is C
     * @param known one that the array may have
     * @return null if there are gaps between the values, or if they overlap
     */
    static @Nullable DenseLayout of(INDArray array, int featureAxis, @Nullable DenseLayout known) {
        if (known != null && known.isThatOf(array)) {
            return known;
        }
        long[] extents = array.shape();
        long[] strides = array.stride();
        return isDense(extents, strides) ? new DenseLayout(extents.clone(), strides.clone(), featureAxis) : null;
    }

    /** Whether each stride is as many elements as lie within that axis. */
    private static boolean isDense(long[] extents, long[] strides) {
        long dense = 1;
        long values = 1;
        for (long extent : extents) {
            values *= extent;
        }
        int axis = axisOf(dense, extents, strides);
        while (axis >= 0) {
            dense *= extents[axis];
            axis = axisOf(dense, extents, strides);
        }
        return values > 0 && dense == values;
    }

    private static int axisOf(long stride, long[] extents, long[] strides) {
        for (int axis = 0; axis < extents.length; axis++) {
            if (extents[axis] > 1 && strides[axis] == stride) {
                return axis;
            }
        }
        return -1;
    }

    private static int[] featuresSecond(int rank, int featureAxis) {
        int[] axes = new int[rank];
        axes[1] = featureAxis;
        for (int axis = 1, next = 2; axis < rank; axis++) {
            if (axis != featureAxis) {
                axes[next++] = axis;
            }
        }
        return axes;
    }

    private static long[] reordered(long[] values, int[] axes) {
        long[] reordered = new long[axes.length];
        for (int i = 0; i < axes.length; i++) {
            reordered[i] = values[axes[i]];
        }
        return reordered;
    }

    /** Whether an array has these extents and this order in memory. */
    boolean isThatOf(INDArray array) {
        if (!hasExtentsOf(array)) {
            return false;
        }
        for (int axis = 0; axis < extents.length; axis++) {
            if (extents[axis] > 1 && array.stride(axis) != strides[axis]) {
                return false;
            }
        }
        return true;
    }

    /** Whether an array has these extents. */
    boolean hasExtentsOf(INDArray array) {
        return Arrays.equals(array.shape(), extents);
    }

    /** (N, C, S). */
    BatchShape shape() {
        return shape;
    }

    /** A new array of this layout. */
    INDArray create(Allocator allocator) {
        INDArray inMemoryOrder = allocator.create(reordered(extents, outermostFirst));
        boolean alreadyInOrder = true;
        int[] back = new int[outermostFirst.length];
        for (int i = 0; i < back.length; i++) {
            back[outermostFirst[i]] = i;
            alreadyInOrder &= outermostFirst[i] == i;
        }
        return alreadyInOrder ? inMemoryOrder : inMemoryOrder.permute(back);
    }

    /** The values of an array of this layout. The array must stay reachable while they are used. */
    Batch batch(String name, INDArray array) {
        return Batch.of(name, memory(array), shape);
    }

    /**
     * The memory of a dense float array. A view begins within its buffer, whose address does not tell so.
     *
     * @param array must stay reachable while the memory is used
     */
    @SuppressWarnings("restricted") // the array's own memory, as long as it is
    static MemorySegment memory(INDArray array) {
        long start = array.data().address() + Float.BYTES * array.offset();
        return MemorySegment.ofAddress(start).reinterpret(Float.BYTES * array.length());
    }
}
